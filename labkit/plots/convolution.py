"""Figures of a convolution: one step in numbers, what pooling makes of a move, what a unit of each layer sees."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from labkit.plots.feature_maps import SIGNED, Array, map_colours
from labkit.plots.style import BLUE, INK, VERMILION, bare, style


def plot_convolution_step(image: Array, kernel: Array, row: int, column: int) -> Figure:
    """Show one step of a convolution in numbers: the patch under the kernel, the kernel, their products.

    Parameters
    ----------
    image : float array, shape (height, width)
    kernel : float array, shape (size, size)
    row, column : int
        Of the patch's upper left pixel.
    """
    with style():
        # two by two: the numbers are still readable on a phone
        figure, axes_of = plt.subplots(2, 2, figsize=(5.4, 5.8), layout="constrained")
        grid = axes_of.ravel()
        size = len(kernel)
        patch = image[row : row + size, column : column + size]
        grid[0].imshow(image, **map_colours(image))
        grid[0].set(title="image, with the patch", xticks=[], yticks=[])
        grid[0].add_patch(Rectangle((column - 0.5, row - 0.5), size, size, fill=False, ec=VERMILION, lw=2))
        products = patch * kernel + 0.0  # + 0.0: no negative zero
        titles = ("patch", "kernel", f"patch × kernel; sum {products.sum():.2f}")
        for axes, values, title in zip(grid[1:], (patch, kernel, products), titles, strict=True):
            _draw_numbers(axes, values, ink=axes is grid[1])
            axes.set_title(title)
    return figure


def _draw_numbers(axes: Axes, values: Array, ink: bool) -> None:
    # Pale colours: the numbers are to be read. Ink is grey here as in the image, what has a sign blue and red
    axes.imshow(values, cmap="gray_r" if ink else SIGNED, vmin=0 if ink else -2.5, vmax=2.5)
    for (row, column), value in np.ndenumerate(values):
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", color="black", fontsize=9)
    bare(axes)


def plot_changes(changes: Mapping[str, Mapping[str, Array]], followed: int) -> Figure:
    """Show how much the maps of many digits change, in several cases: a dot per digit, a line at each median.

    Parameters
    ----------
    changes : mapping of str to mapping of str to float array, shape (digits,)
        By case, then by what was changed (two of them, the same in each case): the change in percent.
    followed : int
        The digit that gets a diamond of its own.
    """
    with style():
        figure, axes = plt.subplots(figsize=(6.2, 3.6), layout="constrained")
        for case, kinds in enumerate(changes.values()):
            for colour, side, (kind, values) in zip((BLUE, VERMILION), (-0.2, 0.2), kinds.items(), strict=True):
                middle = case + side
                spread = np.linspace(-0.13, 0.13, len(values))  # in their order: the same dots in each run
                # the legend leaves out what begins with _
                label = "_" * (case > 0) + f"{kind} (dots: digits, line: median)"
                mark = "_" * (case > 0 or side < 0) + "the digit that we follow"
                axes.plot(middle + spread, values, "o", ms=2.5, alpha=0.35, mew=0, color=colour)
                axes.hlines(np.median(values), middle - 0.17, middle + 0.17, color=colour, lw=3, label=label)
                axes.plot(middle, values[followed], "D", ms=6, color=INK, mec="white", zorder=3, label=mark)
        axes.set(xticks=range(len(changes)), xticklabels=list(changes), ylabel="change of the map (%)", ylim=(0, None))
        axes.grid(visible=False, axis="x")
        axes.legend(fontsize=8, loc="lower left", bbox_to_anchor=(0, 1))
    return figure


def plot_receptive_fields(
    image: Array, fields: Mapping[str, tuple[int, int]], gradients: Mapping[str, Array]
) -> Figure:
    """Show which pixels one unit of each layer sees: the square of the formula, and the measured gradient.

    Parameters
    ----------
    image : float array, shape (28, 28)
    fields : mapping of str to (int, int)
        By layer: first row (and column) of the square, and its width in pixels.
    gradients : mapping of str to float array, shape (28, 28)
        By the same layers: mean size of the unit's gradient for each pixel.
    """
    with style():
        columns = 3
        rows = -(-len(fields) // columns)
        size = (1.95 * columns, 4.4 * rows)
        figure, grid = plt.subplots(2 * rows, columns, figsize=size, squeeze=False, layout="constrained")
        for number, (name, (first, width)) in enumerate(fields.items()):
            row, column = 2 * (number // columns), number % columns
            grid[row, column].imshow(image, **map_colours(image))
            grid[row + 1, column].imshow(gradients[name], cmap="gray_r", vmin=0)
            grid[row, column].set_title(f"{name}\n{width} × {width} pixels", fontsize=9)
            for axes in grid[row : row + 2, column]:
                bare(axes)
                axes.add_patch(Rectangle((first - 0.5, first - 0.5), width, width, fill=False, ec=VERMILION, lw=2))
        for row in range(0, 2 * rows, 2):
            grid[row, 0].set_ylabel("seen, by the formula")
            grid[row + 1, 0].set_ylabel("gradient, measured")
    return figure
