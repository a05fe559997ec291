"""Figures that show many runs at once."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from labkit.plots.style import BLUE, COLOURS, INK, VERMILION, label_log_axis, style
from labkit.runs.model_files import FRAMEWORKS
from labkit.runs.records import Record
from labkit.runs.registry import ten_runs


def plot_all_curves(records: Mapping[str, Record], title: str) -> Figure:
    """Plot test loss and test accuracy over epochs, one column per framework.

    Parameters
    ----------
    records : mapping of str to record
        Of runs of the registry. A dot marks the end of each; a star in its colour the published result.
    title : str
        Should say that a quick run is one.
    """
    with style():
        figure, grid = plt.subplots(2, 2, figsize=(9.5, 6.4), sharey="row", layout="constrained")
        for column, (framework, name) in enumerate(FRAMEWORKS.items()):
            loss, accuracy = grid[0, column], grid[1, column]
            of_framework = [run for run in ten_runs().values() if run.framework == framework]
            for colour, run in zip(COLOURS, of_framework, strict=False):
                star = {"color": colour, "marker": "*", "ms": 10, "ls": "none", "mec": INK, "mew": 0.5}
                loss.plot([run.epochs], [run.published.loss], **star)
                accuracy.plot([run.epochs], [100 * run.published.accuracy], **star)
                if run.id not in records:
                    continue
                table = records[run.id].history.table()
                # a run of 5 epochs is the beginning of the one of 20: dashed, and drawn over it
                line = {"color": colour, "ls": "--" if run.epochs == 5 else "-", "marker": "o", "ms": 4}
                ends = [len(table) - 1]
                loss.plot(table.index, table.test_loss, markevery=ends, label=run.id, **line)
                accuracy.plot(table.index, 100 * table.test_accuracy, markevery=ends, **line)
            loss.set(title=f"{name}: test loss", ylabel="loss (nats)", yscale="log")
            accuracy.set(title=f"{name}: test accuracy", xlabel="epoch", ylabel="accuracy (%)")
            _finish_curves(loss, accuracy)
        figure.suptitle(title, color=INK)
    return figure


def _finish_curves(loss: Axes, accuracy: Axes) -> None:
    handles, labels = loss.get_legend_handles_labels()
    handles.append(Line2D([], [], color=INK, marker="*", ms=10, ls="none"))
    loss.legend(handles, [*labels, "published"], fontsize=8)
    for axes in (loss, accuracy):
        axes.set_xlim(0, 21)
        axes.set_xticks([1, 5, 10, 15, 20])
    label_log_axis(loss.yaxis, "{x:g}")


def plot_cost(records: Mapping[str, Record], title: str) -> Figure:
    """Plot test accuracy over the number of parameters and over the training time.

    Parameters
    ----------
    records : mapping of str to record
        Of runs of the registry; numbered as in the registry. A hollow mark is a quick run.
    title : str
    """
    with style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4), sharey=True, layout="constrained")
        handles = []
        for number, (run_id, run) in enumerate(ten_runs().items(), 1):
            if run_id not in records:
                continue
            record = records[run_id]
            colour = BLUE if run.framework == "keras" else VERMILION
            quick = record.profile == "quick"
            accuracy = 100 * record.test.accuracy
            mark: dict[str, Any] = {"color": colour, "marker": "o", "ls": "none", "mfc": "none" if quick else colour}
            for axes, x in ((left, record.params), (right, record.seconds)):
                axes.plot(x, accuracy, ms=6, **mark)
                # to the right of the mark for odd numbers, to the left for even ones: neighbours do not collide
                side = 7 if number % 2 else -7
                place = {"xytext": (side, 0), "textcoords": "offset points", "va": "center", "fontsize": 9}
                axes.annotate(str(number), (x, accuracy), ha="left" if number % 2 else "right", **place)
            label = f"{number}  {run_id}" + (" (quick)" if quick else "")
            handles.append(Line2D([], [], label=label, **mark))
        left.set(xlabel="parameters", ylabel="test accuracy (%)", xscale="log")
        right.set(xlabel="training time (s), on the device of the record", xscale="log")
        for axes in (left, right):
            axes.margins(x=0.15)
            label_log_axis(axes.xaxis, "{x:,.0f}")
        figure.legend(handles=handles, loc="outside right center", fontsize=8)
        figure.suptitle(title, color=INK)
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
        bars = axes.bar(np.arange(1, networks + 1), counts, color=BLUE)
        axes.bar_label(bars, fontsize=8, color=INK, padding=2)
        axes.set(xticks=range(1, networks + 1), xlabel=f"networks, of {networks}, that get the image wrong")
        axes.set(ylabel="test images", title=title)
        axes.grid(visible=False)
    return figure
