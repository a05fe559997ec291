"""Figures of training: loss, accuracy and mistakes over epochs; the activations."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from labkit.plots.style import BLUE, COLOURS, INK, SKY, label_log_axis, style
from labkit.runs.history import History
from labkit.runs.registry import Run

Function = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def plot_curves(histories: Mapping[str, History], title: str, published: Run | Sequence[Run] | None = None) -> Figure:
    """Plot loss and error over epochs on logarithmic axes, with the published curve overlaid.

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
        Two axes: loss in nats and error, the share of images classified wrongly, in percent, over epochs.
    """
    with style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4.2), layout="constrained")
        overlaid = [published] if isinstance(published, Run) else published or []
        lengths = {run.epochs for run in overlaid}
        for run, line in zip(overlaid, ("-", ":"), strict=False):
            what = f"{run.epochs} epochs" if len(lengths) > 1 else run.network
            _overlay_published(left, right, run, f"published, {what}" if len(overlaid) > 1 else "published", line)
        for colour, (label, history) in zip(COLOURS, histories.items(), strict=False):
            table = history.table()
            for axes, train, test in (
                (left, table.train_loss, table.test_loss),
                (right, 100 * (1 - table.train_accuracy), 100 * (1 - table.test_accuracy)),
            ):
                axes.plot(table.index, train, "o-", ms=3, color=colour, label=f"{label}, training")
                axes.plot(table.index, test, "s--", ms=3, color=colour, label=f"{label}, test")
        left.set(xlabel="epoch", ylabel="loss (nats)", title="Loss", yscale="log")
        right.set(xlabel="epoch", ylabel="images wrong (%)", title="Error", yscale="log")
        for axes in (left, right):
            axes.xaxis.get_major_locator().set_params(integer=True)
            label_log_axis(axes.yaxis, "{x:g}")
        # one legend for both: within the axes it would cover a curve
        handles, labels = max(
            (axes.get_legend_handles_labels() for axes in (left, right)), key=lambda found: len(found[1])
        )
        figure.legend(handles, labels, fontsize=8, ncols=3, handlelength=3.5, loc="outside lower center")
        figure.suptitle(title, color=INK)
    return figure


def _overlay_published(left: Axes, right: Axes, run: Run, name: str, line: str) -> None:
    progress = run.published.progress
    if run.framework == "keras":
        epochs = [p["epoch"] for p in progress]
        grey: dict[str, Any] = {"color": INK, "lw": 1, "ls": line, "marker": ".", "label": f"{name}, training"}
        left.plot(epochs, [p["loss"] for p in progress], **grey)
        right.plot(epochs, [100 * (1 - p["accuracy"]) for p in progress], **grey)
    else:
        # batches are logged by the images seen before them: epoch 1, 12,800 of 60,000 images, is 0.21 epochs
        seen = [p["epoch"] - 1 + p["images_seen"] / 60_000 for p in progress]
        losses = [p["batch_loss"] for p in progress]
        left.plot(seen, losses, ".", ms=3, color=INK, label=f"{name}, one batch in 100")
    star: dict[str, Any] = {"color": INK, "marker": "*", "ms": 11, "ls": "none", "label": f"{name}, test", "zorder": 5}
    if line != "-":
        star["mfc"] = "none"
    left.plot([run.epochs], [run.published.loss], **star)
    right.plot([run.epochs], [100 * (1 - run.published.accuracy)], **star)


def plot_test_errors(
    history: History, total: int, title: str, *, seeds: pd.DataFrame | None = None, published: Sequence[Run] = ()
) -> Figure:
    """Plot the number of misclassified test images over epochs, on a logarithmic axis.

    Parameters
    ----------
    history : History
    total : int
        Test images in all.
    title : str
    seeds : DataFrame, optional
        Rows of `labkit.stats.sweep_table`: every seed is drawn as a dot after each epoch.
    published : sequence of Run
        Runs of the report: their test results are drawn in grey.
    """
    with style():
        figure, axes = plt.subplots(figsize=(7.5, 3.8), layout="constrained")
        if seeds is not None:
            wrong = total * (1 - seeds["accuracy"])
            axes.plot(seeds["epoch"], wrong, "o", ms=4, color=SKY, alpha=0.8, label="one shipped seed")
        table = history.table()
        axes.plot(table.index, total * (1 - table.test_accuracy), "s--", ms=4, color=BLUE, label="this run")
        stars = [(run.epochs, total - run.published.correct) for run in published]
        if stars:
            axes.plot(*zip(*stars, strict=True), "*", ms=12, mfc="none", color=INK, zorder=5, label="published")
        axes.set(xlabel="epoch", ylabel=f"mistakes in {total:,} test images", title=title, yscale="log")
        label_log_axis(axes.yaxis, "{x:,.0f}")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 5, 10]))
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


def plot_batch_losses(history: History, run: Run, title: str) -> Figure:
    """Plot the loss of every hundredth batch, on a logarithmic axis, beside the values that the report's log prints.

    Parameters
    ----------
    history : History
    run : Run
        A PyTorch run of the report.
    title : str
    """
    images = history.recipe.train_images  # places the batches on the axis of epochs
    with style():
        figure, axes = plt.subplots(figsize=(7.5, 3.4), layout="constrained")
        ours = [(b.epoch - 1 + b.images_seen / images, b.loss) for b in history.batch_losses]
        theirs = [(p["epoch"] - 1 + p["images_seen"] / 60_000, p["batch_loss"]) for p in run.published.progress]
        axes.plot(*zip(*theirs, strict=True), "o-", ms=3, lw=1, color=INK, label="published")
        axes.plot(*zip(*ours, strict=True), "o-", ms=3, lw=1.2, color=BLUE, label="this run")
        axes.set(xlabel="epochs seen", ylabel="loss of one batch (nats)", title=title, yscale="log")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 5, 10]))
        label_log_axis(axes.yaxis, "{x:g}")
        axes.legend(fontsize=8)
    return figure
