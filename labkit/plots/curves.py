"""Figures of training: loss, accuracy and mistakes over epochs; the activations."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from labkit.plots.style import BLUE, COLOURS, INK, label_log_axis, style
from labkit.runs.history import History
from labkit.runs.registry import Run

Function = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def plot_curves(histories: Mapping[str, History], title: str, published: Run | Sequence[Run] | None = None) -> Figure:
    """Plot loss and accuracy over epochs, with the published curve overlaid.

    Parameters
    ----------
    histories : mapping of str to History
        One or more, by the label that the legend shows.
    title : str
    published : Run or sequence of Run, optional
        Up to two runs of the report: their printed training progress and test results are drawn in grey.

    Returns
    -------
    Figure
        Two axes: loss in nats and accuracy in percent, over epochs.
    """
    with style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.6), layout="constrained")
        for colour, (label, history) in zip(COLOURS, histories.items(), strict=False):
            table = history.table()
            left.plot(table.index, table.train_loss, "o-", ms=3, color=colour, label=f"{label}, training")
            left.plot(table.index, table.test_loss, "s--", ms=3, color=colour, label=f"{label}, test")
            right.plot(table.index, 100 * table.train_accuracy, "o-", ms=3, color=colour, label=f"{label}, training")
            right.plot(table.index, 100 * table.test_accuracy, "s--", ms=3, color=colour, label=f"{label}, test")
        overlaid = [published] if isinstance(published, Run) else published or []
        for run, line in zip(overlaid, ("-", ":"), strict=False):
            name = "published" if len(overlaid) == 1 else f"published, {run.epochs} epochs"
            _overlay_published(left, right, run, name, line)
        left.set(xlabel="epoch", ylabel="loss (nats)", title="Loss")
        right.set(xlabel="epoch", ylabel="accuracy (%)", title="Accuracy")
        for axes in (left, right):
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.legend(fontsize=8)
        figure.suptitle(title, color=INK)
    return figure


def _overlay_published(left: Axes, right: Axes, run: Run, name: str, line: str) -> None:
    progress = run.published.progress
    if run.framework == "keras":
        epochs = [p["epoch"] for p in progress]
        grey: dict[str, Any] = {"color": INK, "lw": 1, "ls": line, "marker": ".", "label": f"{name}, training"}
        left.plot(epochs, [p["loss"] for p in progress], **grey)
        right.plot(epochs, [100 * p["accuracy"] for p in progress], **grey)
    else:
        # batches are logged by the images seen before them: epoch 1, 12,800 of 60,000 images, is 0.21 epochs
        seen = [p["epoch"] - 1 + p["images_seen"] / 60_000 for p in progress]
        losses = [p["batch_loss"] for p in progress]
        left.plot(seen, losses, ".", ms=3, color=INK, label=f"{name}, one batch in 100")
    star: dict[str, Any] = {"color": INK, "marker": "*", "ms": 11, "ls": "none", "label": f"{name}, test"}
    left.plot([run.epochs], [run.published.loss], **star)
    right.plot([run.epochs], [100 * run.published.accuracy], **star)


def plot_test_errors(history: History, total: int, title: str, published: Run | None = None) -> Figure:
    """Plot the number of misclassified test images over epochs, on a logarithmic axis.

    Parameters
    ----------
    history : History
    total : int
        Test images in all.
    title : str
    published : Run, optional
        A run of the report: its test result is drawn in grey.

    Returns
    -------
    Figure
        The band is one binomial standard error to either side.
    """
    with style():
        figure, axes = plt.subplots(figsize=(7.5, 3.6), layout="constrained")
        table = history.table()
        wrong = total * (1 - table.test_accuracy)
        error = np.sqrt(wrong * (1 - wrong / total))
        axes.fill_between(table.index, wrong - error, wrong + error, color=BLUE, alpha=0.2, lw=0)
        axes.plot(table.index, wrong, "s--", ms=4, color=BLUE, label="this run, with one standard error")
        if published is not None:
            star = [total - published.published.correct]
            axes.plot([published.epochs], star, "*", ms=11, color=INK, label="published")
        axes.set(xlabel="epoch", ylabel=f"mistakes in {total:,} test images", title=title, yscale="log")
        label_log_axis(axes.yaxis, "{x:,.0f}")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(fontsize=8)
    return figure


def plot_activations(shown: Mapping[str, tuple[Function, Function]]) -> Figure:
    """Plot activations and their derivatives, which break at 0. Source: figure 7 of the report.

    Parameters
    ----------
    shown : mapping of str to (function, function)
        By name: the activation and its derivative, each from an array to an array. Up to six.
    """
    with style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.4), layout="constrained")
        x = np.linspace(-4, 4, 401)
        # dashed above solid: where two of them agree, both are seen
        for (name, (activation, derivative)), colour, line in zip(
            shown.items(), COLOURS, ("-", "--") * 3, strict=False
        ):
            left.plot(x, activation(x), line, color=colour, label=name)
            right.plot(x, np.where(x == 0, np.nan, derivative(x)), line, color=colour, label=name)
        left.set(xlabel="input x", ylabel="output f(x)", title="Activation")
        right.set(xlabel="input x", ylabel="derivative f\u2032(x)", title="Derivative")
        for axes in (left, right):
            axes.legend(fontsize=8)
    return figure


def plot_batch_losses(history: History, run: Run, train_images: int, title: str) -> Figure:
    """Plot the loss of every hundredth batch, on a logarithmic axis, beside the values that the report's log prints.

    Parameters
    ----------
    history : History
    run : Run
        A PyTorch run of the report.
    train_images : int
        Images per epoch of this history, to place its batches on the axis of epochs.
    title : str
    """
    with style():
        figure, axes = plt.subplots(figsize=(7.5, 3.4), layout="constrained")
        ours = [(b.epoch - 1 + b.images_seen / train_images, b.loss) for b in history.batch_losses]
        theirs = [(p["epoch"] - 1 + p["images_seen"] / 60_000, p["batch_loss"]) for p in run.published.progress]
        axes.plot(*zip(*theirs, strict=True), "o-", ms=3, lw=1, color=INK, label="published")
        axes.plot(*zip(*ours, strict=True), "o-", ms=3, lw=1.2, color=BLUE, label="this run")
        axes.set(xlabel="epochs seen", ylabel="loss of one batch (nats)", title=title, yscale="log")
        label_log_axis(axes.yaxis, "{x:g}")
        axes.legend(fontsize=8)
    return figure
