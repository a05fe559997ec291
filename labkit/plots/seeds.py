"""Figures of a sweep: every seed a dot or a line."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from labkit.plots.style import BLUE, GREEN, INK, VERMILION, label_log_axis, legend_below, style
from labkit.runs.registry import ten_runs
from labkit.stats.counts import TEST_IMAGES
from labkit.stats.evidence import Evidence
from labkit.stats.intervals import prediction_interval, t_interval
from labkit.stats.plan import read_rules
from labkit.stats.sweeps import accuracies
from labkit.stats.verdicts import seed_words

SPREAD = 0.16  # of the dots of one row, in rows
BELOW = 0.34  # where a row's star stands, in rows: under the dots and the interval, to hide neither
# One meaning per colour: blue is a seed of ours, vermilion what was published, grey a mean and its intervals.
SEED = Line2D([], [], color=BLUE, marker="o", ms=5, ls="none", label="one seed")
STAR = Line2D([], [], color=VERMILION, marker="*", ms=11, ls="none", label="published")


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
            heights = row + np.linspace(-SPREAD, SPREAD, len(values)) if len(values) > 1 else [row] * len(values)
            axes.plot([100 * v for v in values], heights, "o", ms=5, color=BLUE, alpha=0.75)
            if len(values) > 1:
                interval = t_interval(values)
                axes.plot([100 * interval.low, 100 * interval.high], [row, row], color=INK, lw=2.5, zorder=3)
                axes.plot([100 * interval.mean], [row], "|", ms=15, mew=2.5, color=INK, zorder=3)
            if not len(values):
                axes.text(0.02, row, "no seeds", color=INK, transform=axes.get_yaxis_transform(), va="center")
            if name in published:
                axes.plot([100 * published[name]], [row + BELOW], "*", ms=11, color=VERMILION, zorder=4)
        axes.set(xlabel="accuracy (%)", title=title, ylim=(len(groups) - 0.4, -0.5))
        axes.set_yticks(range(len(groups)), list(groups))
        axes.grid(visible=False, axis="y")
        handles = [
            SEED,
            Line2D([], [], color=INK, marker="|", ms=12, mew=2.5, lw=2.5, label="mean, 95% interval"),
            STAR,
        ]
        legend_below(figure, handles)
    return figure


def plot_differences(evidence: Sequence[Evidence], title: str) -> Figure:
    """Plot differences with both their 95% intervals, around the band of practically equal accuracies.

    Parameters
    ----------
    evidence : sequence of Evidence
    title : str
    """
    margin = TEST_IMAGES * read_rules().margin
    with style():
        figure, axes = plt.subplots(figsize=(8.2, 0.55 * len(evidence) + 1.6), layout="constrained")
        axes.axvspan(-margin, margin, color=GREEN, alpha=0.22, lw=0)
        axes.axvline(0, color=INK, lw=1, ls="--")
        for row, e in enumerate(evidence):
            if e.over_seeds is None or e.with_images is None:
                axes.text(0, row, " no seeds", color=INK, va="center")
                continue
            for found, width in ((e.with_images, 1.4), (e.over_seeds, 5)):
                if found.known:
                    axes.plot([TEST_IMAGES * found.low, TEST_IMAGES * found.high], [row, row], color=INK, lw=width)
            axes.plot([TEST_IMAGES * e.over_seeds.mean], [row], "o", ms=8, color=INK, mec="white")
            if e.published is not None:
                axes.plot([TEST_IMAGES * e.published], [row + BELOW], "*", ms=11, color=VERMILION)
        axes.set(xlabel="difference in images of 10,000", title=title, ylim=(len(evidence) - 0.4, -0.5))
        axes.set_yticks(range(len(evidence)), [e.comparison.words for e in evidence])
        axes.grid(visible=False, axis="y")
        handles = [
            Line2D([], [], color=INK, marker="o", mec="white", lw=5, label="mean, 95% over seeds"),
            Line2D([], [], color=INK, lw=1.4, label="95% over seeds and images"),
            Patch(color=GREEN, alpha=0.22, lw=0, label="practically equal"),
            STAR,
        ]
        legend_below(figure, handles)
    return figure


def plot_reproduction(table: pd.DataFrame) -> Figure:
    """Plot for each of the ten published runs where one more run would lie, and where the published one does.

    Parameters
    ----------
    table : DataFrame
        From `labkit.stats.sweep_table`.
    """
    runs = ten_runs()
    with style():
        figure, axes = plt.subplots(figsize=(8.2, 0.5 * len(runs) + 1.5), layout="constrained")
        axes.axvline(0, color=INK, lw=1, ls="--")
        for row, (run_id, run) in enumerate(runs.items()):
            values = accuracies(table, run_id)
            if len(values) < 2:
                axes.text(0, row, " too few seeds", color=INK, va="center")
                continue
            more, mean = prediction_interval(values), t_interval(values)
            for low, high, width, alpha in ((more.low, more.high, 9, 0.3), (mean.low, mean.high, 3, 1.0)):
                ends = [TEST_IMAGES * (end - mean.mean) for end in (low, high)]
                axes.plot(ends, [row, row], color=INK, lw=width, alpha=alpha, solid_capstyle="butt")
            heights = row + np.linspace(-SPREAD, SPREAD, len(values))
            axes.plot(TEST_IMAGES * (values - mean.mean), heights, "o", ms=4, color=BLUE, zorder=3)
            star = TEST_IMAGES * (run.published.accuracy - mean.mean)
            axes.plot([star], [row + BELOW], "*", ms=11, color=VERMILION, zorder=4)
        axes.set(xlabel="images of 10,000, from the mean over seeds", title="Did the report reproduce?")
        axes.set(ylim=(len(runs) - 0.4, -0.6))
        labels = [f"{run_id}, n = {len(accuracies(table, run_id))}" for run_id in runs]
        axes.set_yticks(range(len(runs)), labels)
        axes.grid(visible=False, axis="y")
        handles = [
            SEED,
            Line2D([], [], color=INK, lw=3, label="mean, 95%"),
            Line2D([], [], color=INK, lw=9, alpha=0.3, label="one more run, 95%"),
            STAR,
        ]
        legend_below(figure, handles)
    return figure


def plot_seed_curves(table: pd.DataFrame, run_ids: Sequence[str], title: str) -> Figure:
    """Plot the test error over epochs, on a logarithmic axis: a thin line per seed, a thick one for their mean.

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
        for axes, run_id in zip(panels.flat, run_ids, strict=True):
            curves = 100 - 100 * table[table["run"] == run_id].pivot(index="epoch", columns="seed", values="accuracy")
            if curves.empty:
                axes.text(0.5, 0.5, "no seeds", color=INK, transform=axes.transAxes, ha="center")
            else:
                axes.plot(curves.index, curves, color=BLUE, lw=0.7, alpha=0.5)
                axes.plot(curves.index, curves.mean(axis=1), color=INK, lw=2)
                axes.xaxis.get_major_locator().set_params(integer=True)
                axes.set_yscale("log")
                label_log_axis(axes.yaxis, "{x:g}")
            axes.set(xlabel="epoch", ylabel="test error (%)", title=f"{run_id}: {seed_words(curves.shape[1])}")
        figure.suptitle(title, color=INK)
    return figure
