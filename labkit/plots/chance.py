"""Figures of one comparison: its seeds pair by pair, and what chance alone would do."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from labkit.plots.style import BLUE, INK, style
from labkit.stats.counts import TEST_IMAGES


def plot_pairs(first: "pd.Series[float]", second: "pd.Series[float]", names: tuple[str, str], title: str) -> Figure:
    """Plot two recipes seed by seed, joined by lines, and beside them the differences.

    Parameters
    ----------
    first, second : Series
        Accuracies by seed, over the same seeds.
    names : (str, str)
        Of the two recipes.
    title : str
    """
    difference = TEST_IMAGES * (second - first)
    with style():
        figure, (pairs, gaps) = plt.subplots(1, 2, figsize=(8.2, 3.6), layout="constrained")
        for before, after in zip(first, second, strict=True):
            pairs.plot([0, 1], [100 * before, 100 * after], color=INK, lw=0.8, alpha=0.6)
        for column, values in enumerate((first, second)):
            pairs.plot([column] * len(values), 100 * values, "o", ms=5, color=BLUE)
        pairs.set(xlim=(-0.4, 1.4), ylabel="accuracy (%)", title="one line for each seed")
        pairs.set_xticks([0, 1], names)
        gaps.axhline(0, color=INK, lw=1, ls="--")
        gaps.vlines(difference.index, 0, difference, color=INK, lw=0.8)
        gaps.plot(difference.index, difference, "o", ms=6, color=BLUE)
        gaps.set(xlabel="seed", ylabel="difference (images of 10,000)", title=f"{names[1]} less {names[0]}")
        gaps.xaxis.get_major_locator().set_params(integer=True)
        figure.suptitle(title, color=INK)
    return figure


def plot_chance(means: NDArray[np.float64], observed: float, xlabel: str, title: str) -> Figure:
    """Plot how often chance alone gives which mean, and where the observed one lies, on both sides.

    Parameters
    ----------
    means : float array
        One mean for each world without a difference.
    observed : float
    xlabel, title : str
    """
    with style():
        figure, axes = plt.subplots(figsize=(8.2, 3), layout="constrained")
        far = abs(observed) - 1e-9  # an edge of the bars, so that none is half of each kind
        width = far / 8 if far > 0 else 1.0
        reach = int(np.ceil(np.abs(means).max() / width))
        extreme = np.abs(means) >= far
        axes.hist(
            [means[~extreme], means[extreme]],
            [width * step for step in range(-reach, reach + 1)],
            stacked=True,
            color=[INK, BLUE],
            label=["closer to 0 than observed", "at least as far from 0"],
        )
        for side in (-far, far):
            axes.axvline(side, color=INK, ls="--")
        axes.set(xlabel=xlabel, ylabel="worlds", title=title)
        figure.legend(fontsize=8, ncols=2, loc="outside lower center")
    return figure
