"""One look for all figures, readable on light and on dark pages, with colour-blind-safe colours."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler
from matplotlib.ticker import LogLocator, NullLocator

# Okabe and Ito's palette without yellow and black, which vanish on white and on dark pages.
BLUE, ORANGE, GREEN, PINK, SKY, VERMILION = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00"

COLOURS = (BLUE, VERMILION, GREEN, PINK, ORANGE, SKY)
# Grey with a contrast above 4.5:1 on white and above 4:1 on near-black.
INK = "#757575"

DPI = 160

STYLE: dict[str, Any] = {
    "axes.edgecolor": INK,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlesize": 11,
    "figure.dpi": 100,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "font.size": 10,
    "grid.alpha": 0.25,
    "grid.color": INK,
    "image.cmap": "gray_r",
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.8,
    "savefig.facecolor": "none",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


@contextmanager
def style() -> Iterator[None]:
    """Draw with the look of the series inside a `with` block."""
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        yield


def bare(axes: Axes) -> None:
    """Leave out the ticks and the grid of an image."""
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)


def label_log_axis(axis: Axis, numbers: str, steps: Sequence[float] = (1, 2, 5)) -> None:
    """Label 1, 2, 5, 10, 20, ... on a logarithmic axis, or other steps: its own labels run into each other."""
    axis.set_major_locator(LogLocator(subs=steps))
    axis.set_major_formatter(numbers)
    axis.set_minor_locator(NullLocator())


def legend_below(figure: Figure, handles: Sequence[Artist]) -> None:
    """Put one legend for all panels below them, in rows of four at most."""
    figure.legend(handles=handles, fontsize=8, ncols=min(len(handles), 4), loc="outside lower center")


def png(figure: Figure, path: Path) -> bytes:
    """Write a figure to `path` as a PNG, and return that as well."""
    stream = io.BytesIO()
    with style():
        # no version of matplotlib in the file: the same figure gives the same bytes
        figure.savefig(stream, format="png", dpi=DPI, bbox_inches="tight", metadata={"Software": None})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(stream.getvalue())
    return stream.getvalue()
