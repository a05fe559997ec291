"""A network drawn from its own shapes and activations."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from labkit.plots.feature_maps import Array, map_colours
from labkit.plots.style import INK, style

MAPS_DRAWN = 6  # of each layer, in the schematic


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
    bottom = -(height + step * (len(drawn) - 1)) / 2
    for depth in range(len(drawn) - 1, -1, -1):
        x, y = left + step * depth, bottom + step * depth
        place = (x, x + width, y, y + height)
        axes.imshow(drawn[depth], extent=place, zorder=10 - depth, **map_colours(maps))
        axes.add_patch(Rectangle((x, y), width, height, fill=False, ec=INK, lw=0.7, zorder=10 - depth))
    return left + width + step * (len(drawn) - 1)


def _draw_units(axes: Axes, values: Array, left: float) -> float:
    """Draw a layer without positions as a block of small squares; the ten outputs as a column with their classes."""
    columns = 1 if len(values) <= 10 else 8
    cell = 3.6 if columns == 1 else 1.2
    grid = values.reshape(-1, columns)
    height, width = cell * len(grid), cell * columns
    axes.imshow(grid, extent=(left, left + width, -height / 2, height / 2), **map_colours(values))
    axes.add_patch(Rectangle((left, -height / 2), width, height, fill=False, ec=INK, lw=0.7))
    if columns == 1:
        for number, value in enumerate(values):
            y = height / 2 - cell * (number + 0.5)
            weight = "bold" if number == values.argmax() else "normal"
            text = f"{number}: {100 * value:.1f}%"
            axes.text(left + width + 1.5, y, text, va="center", fontsize=8, color=INK, weight=weight)
        return left + width + 12
    return left + width
