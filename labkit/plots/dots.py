"""Figures in which every trained network is a mark: rows of networks, and training against test mistakes."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from labkit.plots.style import BLUE, COLOURS, GREEN, INK, SKY, label_log_axis, legend_below, style

# One colour and one shape per kind of result, in every figure. Hollow: not to be read against the others.
KINDS: dict[str, dict[str, Any]] = {
    "shipped seed": {"marker": "o", "color": SKY, "ms": 6, "alpha": 0.8},
    "this run": {"marker": "D", "color": BLUE, "ms": 7},
    "small experiment": {"marker": "s", "color": GREEN, "ms": 8, "mfc": "none", "mew": 2},
    "published": {"marker": "*", "color": INK, "ms": 13},
}
SPREAD = 0.2  # of the marks of one row, in rows: equal results do not hide each other
BELOW = 0.32  # where a star stands, in rows: it would hide a smaller mark

Rows = Mapping[str, Mapping[str, Sequence[float]]]


def plot_dots(rows: Rows, xlabel: str, title: str, *, log: bool = False, line: float | None = None) -> Figure:
    """Plot a row per network, each of its results as a mark.

    Parameters
    ----------
    rows : mapping of str to mapping of str to sequence of float
        By the name of the row: its results by kind, which is one of `KINDS`. A row without results says so.
    xlabel, title : str
    log : bool
        A logarithmic axis.
    line : float, optional
        Where a dashed line stands: no difference, say.
    """
    with style():
        figure, axes = plt.subplots(figsize=(7.5, 0.5 * len(rows) + 1.5), layout="constrained")
        if line is not None:
            axes.axvline(line, color=INK, lw=1, ls="--", zorder=1)
        for row, results in enumerate(rows.values()):
            for kind, values in results.items():
                middle = (len(values) - 1) / 2
                heights = [row + SPREAD * (i - middle) / max(1.0, middle) for i in range(len(values))]
                if kind == "published":
                    heights = [row + BELOW] * len(values)
                axes.plot(values, heights, ls="none", zorder=2 + list(KINDS).index(kind), **KINDS[kind])
            if not any(map(len, results.values())):
                axes.text(0.02, row, "no result yet", transform=axes.get_yaxis_transform(), va="center")
        if log:
            axes.set_xscale("log")
            label_log_axis(axes.xaxis, "{x:,g}")
        axes.set(xlabel=xlabel, title=title, ylim=(len(rows) - 0.5, -0.5))
        axes.set_yticks(range(len(rows)), list(rows))
        axes.grid(visible=False, axis="y")
        shown = [kind for kind in KINDS if any(len(results.get(kind, ())) for results in rows.values())]
        legend_below(figure, [Line2D([], [], ls="none", label=kind, **KINDS[kind]) for kind in shown])
    return figure


def plot_fit(networks: Mapping[str, Sequence[tuple[float, float]]], title: str) -> Figure:
    """Plot mistakes on test images over mistakes on training images, every trained network a dot.

    Parameters
    ----------
    networks : mapping of str to sequence of (float, float)
        By the name of the network: training and test error of each seed, in percent.
    title : str

    Returns
    -------
    Figure
        Both axes are logarithmic. On the dashed line the two errors are equal.
    """
    with style():
        figure, axes = plt.subplots(figsize=(5.6, 4.6), layout="constrained")
        handles = []
        for marker, colour, (name, points) in zip("osD^v*", COLOURS, networks.items(), strict=False):
            axes.plot(*zip(*points, strict=True), marker, ms=7, alpha=0.8, color=colour)
            handles.append(Line2D([], [], ls="none", marker=marker, ms=7, color=colour, label=name))
        tested = [y for points in networks.values() for _, y in points]
        axes.set_ylim(min(tested) / 1.5, max(tested) * 1.5)  # room for labels: the errors may lie close together
        _draw_diagonal(axes)
        axes.set(xlabel="training images wrong (%)", ylabel="test images wrong (%)", title=title)
        legend_below(figure, handles)
    return figure


def _draw_diagonal(axes: Axes) -> None:
    axes.set(xscale="log", yscale="log")
    ends = (min(axes.get_xlim()[0], axes.get_ylim()[0]), max(axes.get_xlim()[1], axes.get_ylim()[1]))
    limits = axes.get_xlim(), axes.get_ylim()
    axes.plot(ends, ends, color=INK, lw=1, ls="--", zorder=1)
    axes.set(xlim=limits[0], ylim=limits[1])
    for axis in (axes.xaxis, axes.yaxis):
        label_log_axis(axis, "{x:g}")
