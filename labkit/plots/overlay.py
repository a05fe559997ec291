"""Figures of two recipes in one frame: their mistakes on the test images over epochs."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from labkit.plots.style import BLUE, INK, VERMILION, label_log_axis, style
from labkit.runs.history import History
from labkit.runs.registry import Run

ASIDE = 0.3  # epochs by which the stars of the two recipes stand apart
FIRST_EPOCH = 2  # after the first one, mistakes are so many that the rest would be squeezed together


def plot_overlay(
    seeds: Mapping[str, pd.DataFrame],
    own: Mapping[str, History],
    published: Mapping[str, Sequence[Run]],
    total: int,
    title: str,
) -> Figure:
    """Plot the mistakes of two recipes on the test images from epoch 2 on, on a logarithmic axis, in one frame.

    Parameters
    ----------
    seeds : mapping of str to DataFrame
        By recipe, two of them: test accuracies of the shipped sweep, 0 to 1, one row per epoch that was tested, one
        column per seed.
    own : mapping of str to History
        What this notebook and others trained, by recipe; a recipe may be missing.
    published : mapping of str to sequence of Run
        Runs of the report, by recipe: their test results are stars, set a little aside of their epoch.
    total : int
        Test images.
    title : str
    """
    with style():
        figure, axes = plt.subplots(figsize=(9.5, 4.6), layout="constrained")
        handles = []
        for (recipe, table), colour, side in zip(seeds.items(), (BLUE, VERMILION), (-ASIDE, ASIDE), strict=True):
            mistakes = total * (1 - table.loc[FIRST_EPOCH:])
            axes.plot(mistakes.index, mistakes, color=colour, lw=0.9, alpha=0.6)
            handles.append(Line2D([], [], color=colour, lw=0.9, label=f"{recipe}, shipped seeds"))
            if recipe in own:
                wrong = total * (1 - own[recipe].table().test_accuracy.loc[FIRST_EPOCH:])
                axes.plot(wrong.index, wrong, "s--", ms=3.5, color=colour)
                handles.append(Line2D([], [], color=colour, ls="--", marker="s", ms=3.5, label=f"{recipe}, this run"))
            for run in published.get(recipe, ()):
                wrong_published = total - run.published.correct
                axes.plot(run.epochs + side, wrong_published, "*", ms=13, color=colour, mec="white", mew=0.7, zorder=4)
        star = Line2D([], [], color=INK, marker="*", ms=11, ls="none", label="published, in the recipe's colour")
        axes.set(xlabel="epoch", ylabel=f"mistakes in {total:,} test images", title=title, yscale="log")
        axes.set_ylim(bottom=0.9 * axes.get_ylim()[0])
        label_log_axis(axes.yaxis, "{x:,.0f}")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 5, 10]))
        axes.legend(handles=[*handles, star], fontsize=8)
    return figure
