"""Figures that look inside a convolutional network: filters, feature maps, receptive fields, the network as a whole."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from labkit.plots.style import BLUE, INK, bare, style

Array = NDArray[np.floating[Any]]

BLOCK_MAPS = 10  # shown of each block
SIGNED = "RdBu_r"  # white is 0, blue negative, red positive


def map_colours(values: Array) -> dict[str, Any]:
    """Return what `imshow` shows maps with: ink on paper where nothing is negative, else blue and red around white."""
    most = float(np.nanmax(np.abs(values))) or 1.0
    if np.nanmin(values) < 0:
        return {"cmap": SIGNED, "vmin": -most, "vmax": most}
    return {"cmap": "gray_r", "vmin": 0, "vmax": most}


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
            axes.imshow(image, **map_colours(image))
            axes.set_title(title, fontsize=9)
            axes.set(xticks=[0, image.shape[1] - 1], yticks=[0, image.shape[0] - 1])
            axes.tick_params(labelsize=7, length=2)
            axes.grid(visible=False)
    return figure


def _mosaic(maps: Array) -> Array:
    """Lay maps (channels, height, width) out as a square, with gaps of one pixel (NaN) between them."""
    channels, height, width = maps.shape
    columns = 2 ** int(np.ceil(np.log2(channels) / 2))
    rows = -(-channels // columns)
    tiles = np.full((rows * columns, height + 1, width + 1), np.nan)
    tiles[:channels, :height, :width] = maps
    grid = tiles.reshape(rows, columns, height + 1, width + 1).transpose(0, 2, 1, 3)
    return grid.reshape(rows * (height + 1), columns * (width + 1))[:-1, :-1]


def plot_kernels(groups: Mapping[str, Array]) -> Figure:
    """Show groups of kernels one below the other, each kernel in its own scale: blue to white (0) to red.

    Parameters
    ----------
    groups : mapping of str to float array, shape (kernels, size, size)
        By caption.
    """
    columns = 8
    with style():
        rows = [-(-len(kernels) // columns) for kernels in groups.values()]
        size = (0.62 * columns, sum(0.62 * n + 0.45 for n in rows))
        figure = plt.figure(figsize=size, layout="constrained")
        ratios = [0.62 * n + 0.45 for n in rows]
        parts = figure.subfigures(len(groups), 1, squeeze=False, height_ratios=ratios)
        for part, height, (caption, kernels) in zip(parts.flat, rows, groups.items(), strict=True):
            part.suptitle(caption, fontsize=9, color=INK)
            grid = part.subplots(height, columns, squeeze=False)
            for axes in grid.flat:
                axes.axis("off")
            for axes, kernel in zip(grid.flat, kernels, strict=False):
                most = float(np.abs(kernel).max())
                axes.imshow(kernel, cmap=SIGNED, vmin=-most, vmax=most)
    return figure


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
            shown = values.reshape(-1, 16) if values.ndim == 1 else _mosaic(values)
            axes.imshow(shown, **map_colours(values))
            axes.set_title(f"{name}\n{' × '.join(map(str, values.shape))}", fontsize=9)
            bare(axes)
            axes.spines[:].set_visible(False)
        _draw_probabilities(figure.add_subplot(cells[-1, -1]), probabilities)
    return figure


def _draw_probabilities(axes: Axes, probabilities: Array) -> None:
    axes.barh(np.arange(len(probabilities)), 100 * probabilities, color=BLUE)
    axes.set(yticks=range(len(probabilities)), xlabel="probability (%)", ylabel="class", xlim=(0, 100))
    axes.invert_yaxis()
    axes.set_title("output, softmax\n10 probabilities", fontsize=9)


def plot_blocks(stages: Mapping[str, Array]) -> Figure:
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
            shown = maps[:BLOCK_MAPS]
            most = float(np.abs(shown).max()) or 1.0
            for axes, image in zip(row.subplots(1, BLOCK_MAPS), shown, strict=True):
                axes.imshow(image, cmap=SIGNED, vmin=-most, vmax=most)
                bare(axes)
                axes.spines[:].set_visible(True)
    return figure
