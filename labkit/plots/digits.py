"""Figures of images: digits in a grid, how many there are of each class, which are taken for which."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from labkit.plots.style import BLUE, INK, VERMILION, style


def plot_digits(
    images: NDArray[Any], captions: Sequence[str] | None = None, columns: int = 10, title: str | None = None
) -> Figure:
    """Show images in a grid, dark ink on white paper.

    Parameters
    ----------
    images : array, shape (n, height, width)
    captions : sequence of str, optional
        One per image.
    columns : int
    title : str, optional
    """
    with style():
        rows = -(-len(images) // columns)
        high = 1.25 if captions else 1.0
        size = (0.95 * columns, 0.95 * high * rows + (0.35 if title else 0))
        figure, grid = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
        for index, axes in enumerate(grid.flat):
            axes.axis("off")
            if index < len(images):
                axes.imshow(images[index], vmin=0, vmax=np.max(images))
                if captions:
                    axes.set_title(captions[index], fontsize=8, pad=3)
        if title:
            figure.suptitle(title, color=INK)
    return figure


def plot_confusion(confusion: NDArray[np.int64], class_names: Sequence[str], title: str) -> Figure:
    """Plot a confusion matrix: rows are the true classes, columns the predicted ones.

    Parameters
    ----------
    confusion : int array, shape (classes, classes)
        Counts of images. The colour shows the mistakes only, or the diagonal would hide them.
    class_names : sequence of str
    title : str
    """
    with style():
        figure, axes = plt.subplots(figsize=(5.6, 5.2), layout="constrained")
        mistakes = confusion.astype(float).copy()
        np.fill_diagonal(mistakes, 0)
        axes.imshow(mistakes, cmap="Blues")
        for row, column in np.ndindex(confusion.shape):
            if confusion[row, column]:
                dark = mistakes[row, column] > 0.6 * max(mistakes.max(), 1)
                weight = "bold" if row == column else "normal"
                colour = "white" if dark else "#333333"  # the cells are opaque: no need for INK
                text = str(confusion[row, column])
                axes.text(column, row, text, ha="center", va="center", fontsize=8, color=colour, weight=weight)
        ticks = range(len(class_names))
        axes.set(xticks=ticks, yticks=ticks, xticklabels=class_names, yticklabels=class_names)
        axes.set(xlabel="predicted class", ylabel="true class", title=title)
        axes.grid(visible=False)
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
