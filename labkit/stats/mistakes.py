"""What per-image probabilities tell: which images a network gets wrong, how sure it is, where two networks differ."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.uint8]
Probabilities = NDArray[np.float32]


def confusion_counts(labels: Labels, predictions: Labels) -> NDArray[np.int64]:
    """Count the images of each pair of true and predicted class.

    Parameters
    ----------
    labels, predictions : int array, shape (n,)
        Classes, from 0 to 9.

    Returns
    -------
    int array, shape (10, 10)
        Rows are the true classes, columns the predicted ones.
    """
    counts = np.zeros((10, 10), np.int64)
    np.add.at(counts, (labels, predictions), 1)
    return counts


def confused_pairs(confusion: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """List the mistakes of a confusion matrix, the most frequent first.

    Parameters
    ----------
    confusion : int array, shape (classes, classes)

    Returns
    -------
    list of (int, int, int)
        True class, predicted class, number of images.
    """
    pairs = [(row, column, int(n)) for (row, column), n in np.ndenumerate(confusion) if row != column and n]
    return sorted(pairs, key=lambda pair: -pair[2])


def confident_mistakes(probabilities: Probabilities, labels: Labels) -> NDArray[np.int64]:
    """Return the images that are classified wrongly, the most confident mistake first.

    Parameters
    ----------
    probabilities : float array, shape (n, classes)
    labels : int array, shape (n,)

    Returns
    -------
    int array
        Indices of images, by falling probability of the predicted class; ties by index.
    """
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    return wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")]


def least_sure(probabilities: Probabilities) -> NDArray[np.int64]:
    """Return all images by rising probability of the predicted class: the least certain prediction first.

    Parameters
    ----------
    probabilities : float array, shape (n, classes)
    """
    return np.argsort(probabilities.max(axis=1), kind="stable")


def times_wrong(probabilities: Iterable[Probabilities], labels: Labels) -> NDArray[np.int64]:
    """Count for each image how many networks get it wrong.

    Parameters
    ----------
    probabilities : iterable of float arrays, shape (n, classes)
        One per network.
    labels : int array, shape (n,)

    Returns
    -------
    int array, shape (n,)
    """
    counts = np.zeros(len(labels), np.int64)
    for network in probabilities:
        counts += network.argmax(axis=1) != labels
    return counts


def caption(label: int, probability: Probabilities, class_names: Sequence[str] = "0123456789") -> str:
    """Say what an image is, what it was taken for and how surely: `4 as 9, 97.1%`.

    Parameters
    ----------
    label : int
        The true class.
    probability : float array, shape (classes,)
        Of this image.
    class_names : sequence of str
    """
    share = 100 * float(probability.max())
    # stored probabilities are rounded, and no network is quite certain
    sure = "> 99.9%" if share > 99.9 else f"{share:.1f}%"
    return f"{class_names[label]} as {class_names[int(probability.argmax())]}, {sure}"
