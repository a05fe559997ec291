"""The figures of notebook 06: a digit in the blocks of a network, and the effects of an ablation."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from labkit.plots.feature_maps import SIGNED
from labkit.plots.style import BLUE, INK, VERMILION, bare, label_log_axis, style

Accuracies = Mapping[str, Sequence[float]]

MAPS_SHOWN = 10


def plot_blocks(stages: Mapping[str, NDArray[Any]]) -> Figure:
    """Show the first ten feature maps of each block of a network, one row per block.

    Parameters
    ----------
    stages : mapping of str to float array, shape (channels, height, width)
        By the title of the row. Negative values are drawn in blue, 0 in white, positive ones in red, each row on a
        scale of its own.
    """
    with style():
        figure = plt.figure(figsize=(10, 1.35 * len(stages)), layout="constrained")
        rows = figure.subfigures(len(stages), 1, squeeze=False)[:, 0]
        for row, (title, maps) in zip(rows, stages.items(), strict=True):
            row.suptitle(title, fontsize=9, color=INK)
            shown = maps[:MAPS_SHOWN]
            most = float(np.abs(shown).max()) or 1.0
            for axes, image in zip(row.subplots(1, MAPS_SHOWN), shown, strict=True):
                axes.imshow(image, cmap=SIGNED, vmin=-most, vmax=most)
                bare(axes)
                axes.spines[:].set_visible(True)
    return figure


def plot_ablation(
    added: Accuracies, undone: Accuracies, small: Sequence[float], large: Sequence[float], title: str
) -> Figure:
    """Plot the test errors with one change added to the small network, and with one undone in the large one.

    Parameters
    ----------
    added, undone : mapping of str to sequence of float
        By change: the test accuracy of each seed, 0 to 1.
    small, large : sequence of float
        The same for the two networks that the changes lead from and to.
    title : str
        Says at what cost the networks were trained.

    Returns
    -------
    Figure
        Two axes with a common logarithmic scale of the error in percent: a dot per seed, a bar at their mean, and a
        line at the mean of the network that the panel starts from.
    """
    with style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.9), layout="constrained", sharex=True)
        _draw_panel(left, "nothing added", small, {f"+ {name}": values for name, values in added.items()}, BLUE)
        _draw_panel(right, "nothing undone", large, {f"- {name}": values for name, values in undone.items()}, VERMILION)
        left.set_title("lenet-dropout with one change added")
        right.set_title("deep-bn with one change undone")
        figure.suptitle(title, color=INK)
        # once both panels have their points: the axis is shared
        label_log_axis(left.xaxis, "{x:g}", (1, 1.5, 2, 3, 5, 7))
    return figure


def _draw_panel(axes: Axes, start_name: str, start: Sequence[float], changed: Accuracies, colour: str) -> None:
    rows = {start_name: start, **changed}
    for position, values in enumerate(rows.values()):
        shown = INK if position == 0 else colour
        errors = [100 * (1 - value) for value in values]
        axes.plot(errors, [position] * len(errors), "o", ms=5, alpha=0.75, mew=0, color=shown)
        axes.plot([sum(errors) / len(errors)], [position], "|", ms=16, mew=2.5, color=shown)
    axes.axvline(100 * (1 - sum(start) / len(start)), color=INK, lw=1, ls="--")
    axes.set_yticks(range(len(rows)), list(rows))
    axes.invert_yaxis()
    axes.set(xlabel="test images wrong (%): left is better", xscale="log")
