"""Figures that show many runs at once."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from labkit.plots.style import BLUE, GREEN, INK, PINK, VERMILION, label_log_axis, style
from labkit.runs.model_files import FRAMEWORKS
from labkit.runs.records import Record
from labkit.runs.registry import Run, ten_runs

STAR_OFFSET = {BLUE: 0.7, VERMILION: 1.5}  # in epochs: published results lie closer together than a star is wide


def _colour(run: Run) -> str:
    """Return the colour of a kind of network: the same in both frameworks, and for 5 and 20 epochs."""
    if run.network in ("extra-conv", "deep-bn"):
        return GREEN if run.network == "extra-conv" else PINK
    return VERMILION if run.activation == "leaky_relu" else BLUE


def _line(run: Run) -> dict[str, Any]:
    """Return how a kind of network is drawn: ReLU as a wide band, so that Leaky ReLU over it does not hide it."""
    colour = _colour(run)
    return {"color": colour, "lw": 5 if colour == BLUE else 1.6, "alpha": 0.6 if colour == BLUE else 1.0}


def _kind(run: Run) -> str:
    names = {
        BLUE: "baseline, ReLU",
        VERMILION: "baseline, Leaky ReLU",
        GREEN: "extra convolution",
        PINK: "deep network",
    }
    return names[_colour(run)]


def _longest(records: Mapping[str, Record], framework: str) -> dict[str, Run]:
    """Return the longest run of each kind of network that there is of a framework, by its kind."""
    return {_kind(run): run for run in ten_runs().values() if run.framework == framework and run.id in records}


def plot_all_curves(records: Mapping[str, Record], title: str) -> Figure:
    """Plot test loss and test error over epochs, one column per framework, one colour per kind of network.

    Parameters
    ----------
    records : mapping of str to record
        Of runs of the registry. A run of 5 epochs is the beginning of the one of 20 and gets no line of its own where
        both are there. A dot marks the end of each run; a star, a little to its right, the published result.
    title : str
        Should say that a quick run is one.
    """
    with style():
        figure, grid = plt.subplots(2, 2, figsize=(9.5, 6.8), sharey="row", sharex=True, layout="constrained")
        for column, (framework, name) in enumerate(FRAMEWORKS.items()):
            loss, error = grid[0, column], grid[1, column]
            for kind, run in _longest(records, framework).items():
                table = records[run.id].history.table()
                loss.plot(table.index, table.test_loss, label=kind, **_line(run))
                error.plot(table.index, 100 * (1 - table.test_accuracy), label=kind, **_line(run))
            for run in ten_runs().values():
                if run.framework == framework:
                    _ends(loss, error, run, records.get(run.id))
            loss.set(title=f"{name}: test loss", ylabel="loss (nats)", yscale="log")
            error.set(title=f"{name}: test error", xlabel="epoch", ylabel="error (%)", yscale="log")
            _finish_curves(loss, error)
        figure.suptitle(title, color=INK)
    return figure


def _ends(loss: Axes, error: Axes, run: Run, record: Record | None) -> None:
    """Mark the result of a run and the published one."""
    colour = _colour(run)
    x = run.epochs + STAR_OFFSET.get(colour, 0.7)
    star: dict[str, Any] = {"color": colour, "marker": "*", "ms": 11, "mec": INK, "mew": 0.5, "zorder": 4}
    loss.plot([x], [run.published.loss], **star)
    error.plot([x], [100 * (1 - run.published.accuracy)], **star)
    if record:
        size = 9 if colour == BLUE else 5  # the one of ReLU shows behind that of Leaky ReLU
        last = len(record.history)
        loss.plot([last], [record.test.loss], color=colour, marker="o", ms=size, zorder=3)
        error.plot([last], [100 * (1 - record.test.accuracy)], color=colour, marker="o", ms=size, zorder=3)


def _finish_curves(loss: Axes, error: Axes) -> None:
    handles, labels = loss.get_legend_handles_labels()
    handles.append(Line2D([], [], color=INK, marker="*", ms=10, ls="none"))
    loss.legend(handles, [*labels, "published (right of its epoch)"], fontsize=9)
    error.set_xlim(0, 22.5)
    error.set_xticks([1, 5, 10, 15, 20])
    label_log_axis(loss.yaxis, "{x:g}")
    label_log_axis(error.yaxis, "{x:g}")


def plot_cost(records: Mapping[str, Record], seconds: Mapping[str, float], title: str) -> Figure:
    """Plot the test error over the number of parameters, and over the time of training as it goes on.

    Parameters
    ----------
    records : mapping of str to record
        Of runs of the registry.
    seconds : mapping of str to float
        Of one epoch with the images of the record, by run.
    title : str
    """
    with style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 4.8), sharey=True, layout="constrained")
        handles = []
        for framework, name in FRAMEWORKS.items():
            marker = "o" if framework == "keras" else "s"
            for kind, run in _longest(records, framework).items():
                look = _line(run)
                size = 11 if _colour(run) == BLUE else 6
                errors = 100 * (1 - records[run.id].history.table().test_accuracy)
                line = {"marker": marker, "ms": size, "mec": "none", **look}
                right.plot(seconds[run.id] * errors.index, errors, markevery=[len(errors) - 1], **line)
                left.plot([records[run.id].params], [100 * (1 - records[run.id].test.accuracy)], **line)
                handles.append(Line2D([], [], label=f"{name}: {kind}", **line))
        left.set(xlabel="parameters", ylabel="test error (%)", xscale="log", yscale="log", title="after the last epoch")
        right.set(xlabel="time of training (s)", xscale="log", title="after each epoch")
        left.margins(x=0.15)
        for axis in (left.xaxis, right.xaxis):
            label_log_axis(axis, "{x:,.0f}")
        label_log_axis(left.yaxis, "{x:g}")
        right.tick_params(axis="y", which="both", labelleft=True)
        figure.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=9)
        figure.suptitle(title, color=INK)
    return figure


def plot_calibration(tables: Mapping[str, pd.DataFrame], title: str) -> Figure:
    """Plot how often networks are wrong over how often they say that they are, both on logarithmic axes.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        By run, or by another name, at most two: one row per group of images, with `said` (the mean doubt), `wrong`,
        `low` and `high` (the share of mistakes and its interval), all from 0 to 1. A group without mistakes is drawn as
        its upper bound, an arrow.
    title : str
    """
    with style():
        figure, axes = plt.subplots(figsize=(6.4, 5), layout="constrained")
        span = np.array([0.002, 100])
        axes.plot(span, span, color=INK, ls=":", lw=1.4)
        kinds = [_colour(ten_runs()[name]) if name in ten_runs() else INK for name in tables]
        colours = (kinds[0], INK) if len(set(kinds)) < len(kinds) else kinds
        for (name, table), colour, marker in zip(tables.items(), colours, "os", strict=False):
            some = table[table["wrong"] > 0]
            bars = [some["wrong"] - some["low"], some["high"] - some["wrong"]]
            dots: dict[str, Any] = {"color": colour, "marker": marker, "ms": 6, "ls": "none"}
            axes.errorbar(
                100 * some["said"], 100 * some["wrong"], 100 * np.array(bars), elinewidth=1.4, label=name, **dots
            )
            none = table[table["wrong"] == 0]
            axes.plot(100 * none["said"], 100 * none["high"], **(dots | {"marker": "v", "mfc": "none"}))
        axes.text(0.03, 0.9, "too sure:\nmore mistakes than it says", transform=axes.transAxes, va="top")
        axes.text(0.97, 0.06, "too modest:\nfewer mistakes than it says", transform=axes.transAxes, ha="right")
        axes.set(xscale="log", yscale="log", xlim=(0.002, 100), ylim=(0.01, 100), title=title)
        axes.set(xlabel="the network says: this share is wrong (%)", ylabel="this share is wrong (%)")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter("{x:g}")
        axes.legend(loc="upper left", bbox_to_anchor=(0, 0.78), fontsize=9)
    return figure


def plot_times_wrong(times: NDArray[np.int64], networks: int, title: str) -> Figure:
    """Plot how many test images were wrong in one, in two, ... in all networks.

    Parameters
    ----------
    times : int array, shape (images,)
        How many networks get each image wrong.
    networks : int
        How many there are.
    title : str
    """
    with style():
        figure, axes = plt.subplots(figsize=(6.5, 3.2), layout="constrained")
        counts = np.bincount(times, minlength=networks + 1)[1:]
        bars = axes.bar(np.arange(1, networks + 1), counts, color=INK)
        axes.bar_label(bars, fontsize=8, color=INK, padding=2)
        axes.set(xticks=range(1, networks + 1), xlabel=f"networks, of {networks}, that get the image wrong")
        axes.set(ylabel="test images", title=title)
        axes.grid(visible=False)
    return figure
