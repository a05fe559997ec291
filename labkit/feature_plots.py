"""Figures that look inside a convolutional network: filters, feature maps, receptive fields, the network as a whole."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from labkit.plotting import BLUE, COLOURS, INK, VERMILION, style

Array = NDArray[np.floating[Any]]

SIGNED = "RdBu_r"  # white is 0, blue negative, red positive
MAPS_DRAWN = 6  # of each layer, in the schematic


def _draw(axes: Axes, image: Array) -> None:
    """Draw one map: ink on paper where nothing is negative, blue and red around white otherwise."""
    if np.nanmin(image) < 0:
        most = np.nanmax(np.abs(image))
        axes.imshow(image, cmap=SIGNED, vmin=-most, vmax=most)
    else:
        axes.imshow(image, cmap="gray_r", vmin=0, vmax=float(np.nanmax(image)) or 1.0)


def plot_maps(maps: Mapping[str, Array], columns: int = 5) -> Figure:
    """Show images or feature maps in a grid, each with its caption and pixel positions at its edges.

    Parameters
    ----------
    maps : mapping of str to array, shape (height, width)
        By caption. A map with negative values is drawn in blue (negative), white (0) and red (positive).
    columns : int
    """
    with style():
        rows = -(-len(maps) // columns)
        size = (2.05 * min(columns, len(maps)), 2.3 * rows)
        figure, grid = plt.subplots(rows, min(columns, len(maps)), figsize=size, squeeze=False, layout="constrained")
        for axes in grid.flat[len(maps) :]:
            axes.axis("off")
        for axes, (title, image) in zip(grid.flat, maps.items(), strict=False):
            _draw(axes, image)
            axes.set_title(title, fontsize=9)
            axes.set(xticks=[0, image.shape[1] - 1], yticks=[0, image.shape[0] - 1])
            axes.tick_params(labelsize=7, length=2)
            axes.grid(visible=False)
    return figure


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
        figure, grid = plt.subplots(1, 4, figsize=(9.5, 2.9), layout="constrained")
        size = len(kernel)
        patch = image[row : row + size, column : column + size]
        _draw(grid[0], image)
        grid[0].set(title="image, with the patch", xticks=[], yticks=[])
        grid[0].add_patch(Rectangle((column - 0.5, row - 0.5), size, size, fill=False, ec=VERMILION, lw=2))
        products = patch * kernel + 0.0  # + 0.0: no negative zero
        titles = ("patch", "kernel", f"patch × kernel; sum {products.sum():.2f}")
        for axes, values, title in zip(grid[1:], (patch, kernel, products), titles, strict=True):
            _draw_numbers(axes, values)
            axes.set_title(title)
    return figure


def _draw_numbers(axes: Axes, values: Array) -> None:
    axes.imshow(values, cmap=SIGNED, vmin=-2.5, vmax=2.5)  # pale colours: the numbers are to be read
    for (row, column), value in np.ndenumerate(values):
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", color="black", fontsize=9)
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)


def mosaic(maps: Array) -> Array:
    """Lay feature maps side by side in one array, with gaps of one pixel (NaN) between them.

    Parameters
    ----------
    maps : float array, shape (channels, height, width)

    Returns
    -------
    float array, two dimensions
        About as many maps side by side as one above the other.
    """
    channels, height, width = maps.shape
    columns = 2 ** int(np.ceil(np.log2(channels) / 2))
    rows = -(-channels // columns)
    tiles = np.full((rows * columns, height + 1, width + 1), np.nan)
    tiles[:channels, :height, :width] = maps
    grid = tiles.reshape(rows, columns, height + 1, width + 1).transpose(0, 2, 1, 3)
    return grid.reshape(rows * (height + 1), columns * (width + 1))[:-1, :-1]


def plot_journey(stages: Mapping[str, Array], probabilities: Array) -> Figure:
    """Show a digit going through a network: every feature map of every stage, then the class probabilities.

    Parameters
    ----------
    stages : mapping of str to float array
        By name, in the order of the network: the image and each stage of three a block, shape (channels, height,
        width); two layers of shape (units,) at the end, units a multiple of 16.
    probabilities : float array, shape (classes,)
    """
    with style():
        figure = plt.figure(figsize=(10.5, 12.5), layout="constrained")
        rows = 2 + (len(stages) - 2) // 3
        cells = figure.add_gridspec(rows, 3, height_ratios=[0.7, *[1] * (rows - 2), 0.8])
        for number, (name, values) in enumerate(stages.items()):
            # the image has the first row to itself
            place = cells[0, :] if number == 0 else cells[1 + (number - 1) // 3, (number - 1) % 3]
            axes = figure.add_subplot(place)
            _draw(axes, values.reshape(-1, 16) if values.ndim == 1 else mosaic(values))
            shape = " × ".join(map(str, values.shape))
            axes.set(xticks=[], yticks=[])
            axes.set_title(f"{name}\n{shape}", fontsize=9)
            axes.grid(visible=False)
            axes.spines[:].set_visible(False)
        _draw_probabilities(figure.add_subplot(cells[-1, -1]), probabilities)
    return figure


def _draw_probabilities(axes: Axes, probabilities: Array) -> None:
    bars = axes.barh(np.arange(len(probabilities)), 100 * probabilities, color=BLUE)
    bars[int(probabilities.argmax())].set_color(VERMILION)
    axes.set(yticks=range(len(probabilities)), xlabel="probability (%)", ylabel="class", xlim=(0, 100))
    axes.invert_yaxis()
    axes.set_title("output, softmax\n10 probabilities", fontsize=9)


def plot_schematic(stages: Mapping[str, Array], operations: Sequence[str]) -> Figure:
    """Draw a network as a row of stacks of feature maps, from the real shapes and activations.

    Parameters
    ----------
    stages : mapping of str to float array
        By name: shape (channels, height, width), or (units,) for a layer without positions. The last one holds
        the class probabilities.
    operations : sequence of str
        What leads from each stage to the next: one fewer than stages.
    """
    with style():
        figure, axes = plt.subplots(figsize=(12, 4.3), layout="constrained")
        left = 0.0
        for number, (name, values) in enumerate(stages.items()):
            right = _draw_stack(axes, values, left) if values.ndim == 3 else _draw_units(axes, values, left)
            middle = (left + right) / 2
            shape = " × ".join(map(str, values.shape))
            axes.text(middle, -24, f"{name}\n{shape}", ha="center", va="top", fontsize=9, color=INK)
            if number < len(operations):
                arrow = {"arrowstyle": "->", "color": INK, "lw": 1.2}
                axes.annotate("", (right + 15, 0), (right + 2, 0), arrowprops=arrow)
                axes.text(right + 8.5, 2, operations[number], ha="center", va="bottom", fontsize=8, color=INK)
            left = right + 17
        axes.set(xlim=(-2, left - 10), ylim=(-33, 26))
        axes.set_aspect("equal")
        axes.axis("off")
    return figure


def _draw_stack(axes: Axes, maps: Array, left: float) -> float:
    """Draw some maps of a stage one behind the other; one unit of the axes is one pixel of a map."""
    drawn = maps[:MAPS_DRAWN]
    height, width = int(maps.shape[1]), int(maps.shape[2])
    step = 1.6
    most = np.abs(maps).max()
    bottom = -(height + step * (len(drawn) - 1)) / 2
    for depth in range(len(drawn) - 1, -1, -1):
        x, y = left + step * depth, bottom + step * depth
        signed = maps.min() < 0
        axes.imshow(
            drawn[depth],
            cmap=SIGNED if signed else "gray_r",
            vmin=-most if signed else 0,
            vmax=most,
            extent=(x, x + width, y, y + height),
            zorder=10 - depth,
        )
        axes.add_patch(Rectangle((x, y), width, height, fill=False, ec=INK, lw=0.7, zorder=10 - depth))
    return left + width + step * (len(drawn) - 1)


def _draw_units(axes: Axes, values: Array, left: float) -> float:
    """Draw a layer without positions as a block of small squares; the ten outputs as a column with their classes."""
    columns = 1 if len(values) <= 10 else 8
    cell = 3.6 if columns == 1 else 1.2
    grid = values.reshape(-1, columns)
    height, width = cell * len(grid), cell * columns
    most = np.abs(values).max()
    signed = values.min() < 0
    axes.imshow(
        grid,
        cmap=SIGNED if signed else "gray_r",
        vmin=-most if signed else 0,
        vmax=most,
        extent=(left, left + width, -height / 2, height / 2),
    )
    axes.add_patch(Rectangle((left, -height / 2), width, height, fill=False, ec=INK, lw=0.7))
    if columns == 1:
        for number, value in enumerate(values):
            y = height / 2 - cell * (number + 0.5)
            weight = "bold" if number == values.argmax() else "normal"
            text = f"{number}: {100 * value:.1f}%"
            axes.text(left + width + 1.5, y, text, va="center", fontsize=8, color=INK, weight=weight)
        return left + width + 12
    return left + width


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
        size = (1.75 * len(fields), 4.2)
        figure, grid = plt.subplots(2, len(fields), figsize=size, layout="constrained")
        for column, ((name, (first, width)), colour) in enumerate(zip(fields.items(), COLOURS, strict=False)):
            _draw(grid[0, column], image)
            grid[1, column].imshow(gradients[name], cmap="gray_r", vmin=0)
            grid[0, column].set_title(f"{name}\n{width} × {width} pixels", fontsize=9)
            for axes in grid[:, column]:
                axes.set(xticks=[], yticks=[])
                axes.grid(visible=False)
                axes.add_patch(Rectangle((first - 0.5, first - 0.5), width, width, fill=False, ec=colour, lw=2))
        grid[0, 0].set_ylabel("seen, by the formula")
        grid[1, 0].set_ylabel("gradient, measured")
    return figure


def plot_class_counts(train: NDArray[np.int64], test: NDArray[np.int64], class_names: Sequence[str]) -> Figure:
    """Plot how many images of each class there are, as shares of the training and of the test set.

    Parameters
    ----------
    train, test : int array, shape (classes,)
    class_names : sequence of str
    """
    with style():
        figure, axes = plt.subplots(figsize=(7, 2.9), layout="constrained")
        place = np.arange(len(train))
        axes.bar(place - 0.2, 100 * train / train.sum(), 0.4, color=BLUE, label=f"{train.sum():,} training images")
        axes.bar(place + 0.2, 100 * test / test.sum(), 0.4, color=VERMILION, label=f"{test.sum():,} test images")
        axes.set(xticks=place, xticklabels=class_names, xlabel="class", ylabel="share of the set (%)")
        axes.set_ylim(0, 14.5)
        axes.grid(visible=False, axis="x")
        axes.legend(fontsize=8, ncols=2, loc="upper right")
    return figure
