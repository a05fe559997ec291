"""Figures of a sweep: every seed a dot or a line."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from labkit.plots.style import BLUE, COLOURS, INK, VERMILION, style
from labkit.stats.counts import TEST_IMAGES
from labkit.stats.intervals import t_interval
from labkit.stats.verdicts import Evidence, seed_words

SPREAD = 0.22  # of the dots of one row, in rows


def plot_seeds(groups: Mapping[str, Sequence[float]], published: Mapping[str, float], title: str) -> Figure:
    """Plot the accuracy of every seed as a dot, one row per group, with 95% intervals of the means.

    Parameters
    ----------
    groups : mapping of str to sequence of float
        Accuracies, 0 to 1, by the name of the row; a group without values stays an empty row.
    published : mapping of str to float
        The published accuracy of some rows, drawn as a star.
    title : str
    """
    with style():
        figure, axes = plt.subplots(figsize=(8.2, 0.62 * len(groups) + 1.5), layout="constrained")
        for row, (name, values) in enumerate(groups.items()):
            colour = COLOURS[row % len(COLOURS)]
            heights = row + np.linspace(-SPREAD, SPREAD, len(values)) if len(values) > 1 else [row] * len(values)
            axes.plot([100 * v for v in values], heights, "o", ms=5, color=colour, alpha=0.75)
            if len(values) > 1:
                interval = t_interval(values)
                axes.plot([100 * interval.low, 100 * interval.high], [row, row], color=INK, lw=2.5, zorder=3)
                axes.plot([100 * interval.mean], [row], "|", ms=15, mew=2.5, color=INK, zorder=3)
            if not len(values):
                axes.text(0.02, row, "no seeds", color=INK, transform=axes.get_yaxis_transform(), va="center")
            if name in published:
                axes.plot([100 * published[name]], [row], "*", ms=13, color=INK, zorder=4)
        axes.set(xlabel="accuracy (%)", title=title, ylim=(len(groups) - 0.4, -0.6))
        axes.set_yticks(range(len(groups)), list(groups))
        axes.grid(visible=False, axis="y")
        handles = [
            Line2D([], [], color=INK, marker="o", ls="none", label="one seed"),
            Line2D([], [], color=INK, marker="|", ms=12, mew=2.5, lw=2.5, label="mean, 95% interval"),
            Line2D([], [], color=INK, marker="*", ms=12, ls="none", label="published"),
        ]
        _legend_below(axes, handles, len(groups))
    return figure


def plot_differences(evidence: Sequence[Evidence], title: str) -> Figure:
    """Plot paired differences with their 95% intervals around the line of no difference.

    Parameters
    ----------
    evidence : sequence of Evidence
    title : str
    """
    with style():
        figure, axes = plt.subplots(figsize=(8.2, 0.55 * len(evidence) + 1.4), layout="constrained")
        axes.axvline(0, color=INK, lw=1, ls="--")
        for row, e in enumerate(evidence):
            if e.difference is None:
                axes.text(0, row, " no seeds", color=INK, va="center")
            else:
                d = e.difference
                low, high = (d.low, d.high) if np.isfinite(d.low) else (d.mean, d.mean)
                axes.plot([TEST_IMAGES * low, TEST_IMAGES * high], [row, row], color=BLUE, lw=2.5)
                axes.plot([TEST_IMAGES * d.mean], [row], "o", color=BLUE)
            axes.plot([TEST_IMAGES * e.published], [row], "*", ms=13, color=INK)
        axes.set(xlabel="difference in images of 10,000", title=title, ylim=(len(evidence) - 0.4, -0.6))
        axes.set_yticks(range(len(evidence)), [e.comparison.words for e in evidence])
        axes.grid(visible=False, axis="y")
        handles = [
            Line2D([], [], color=BLUE, marker="o", lw=2.5, label="mean over seeds, 95% interval"),
            Line2D([], [], color=INK, marker="*", ms=12, ls="none", label="published, one run each"),
        ]
        _legend_below(axes, handles, len(evidence))
    return figure


def _legend_below(axes: Axes, handles: Sequence[Line2D], rows: int) -> None:
    below = (0.5, -0.45 / rows - 0.12)
    axes.legend(handles=handles, fontsize=8, ncols=len(handles), loc="upper center", bbox_to_anchor=below)


def plot_seed_curves(table: pd.DataFrame, run_ids: Sequence[str], title: str) -> Figure:
    """Plot test accuracy over epochs: a thin line per seed, a thick one for their mean.

    Parameters
    ----------
    table : DataFrame
        From `labkit.stats.sweep_table`.
    run_ids : sequence of str
        One panel each; a run without seeds has an empty one that says so.
    title : str
    """
    with style():
        size = (4.4 * len(run_ids), 3.5)
        figure, panels = plt.subplots(1, len(run_ids), figsize=size, squeeze=False, layout="constrained")
        for axes, run_id, colour in zip(panels.flat, run_ids, (BLUE, VERMILION, *COLOURS[2:]), strict=False):
            curves = table[table["run"] == run_id].pivot(index="epoch", columns="seed", values="accuracy") * 100
            if curves.empty:
                axes.text(0.5, 0.5, "no seeds", color=INK, transform=axes.transAxes, ha="center")
            else:
                axes.plot(curves.index, curves, color=colour, lw=0.7, alpha=0.5)
                axes.plot(curves.index, curves.mean(axis=1), color=colour, lw=2.4)
                axes.xaxis.get_major_locator().set_params(integer=True)
            axes.set(xlabel="epoch", ylabel="test accuracy (%)", title=f"{run_id}: {seed_words(curves.shape[1])}")
        figure.suptitle(title, color=INK)
    return figure
