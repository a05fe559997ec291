"""Two kinds of chance in a difference of accuracies: other seeds, and other test images.

The model is one of two-way random effects. Whether a network is right on an image depends on its seed, on the image,
and on both together. The mean over n seeds and m images then varies by the variance between seeds over n, plus the
variance between images over m. No package fits this for 10,000 images; the mean squares are those of every analysis of
variance.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def image_parts(groups: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    """Return what the test images bring into the variance of a difference: by their choice, and by single mistakes.

    Parameters
    ----------
    groups : sequence of arrays, shape (seeds, images)
        Paired: one array, of differences (second right less first right: -1, 0 or 1). Not paired: two arrays of 0 and
        1, one per recipe, over the same images.

    Returns
    -------
    between : float
        The component of variance between images, over their number: what other images would change.
    mistakes : float
        What remains, over the number of all values: each network has mistakes of its own. It is part of the variance
        between seeds, which therefore cannot be less.

    Both are NaN where a group has fewer than two seeds.

    Notes
    -----
    Source: Searle, Casella and McCulloch, Variance Components (1992), chapter 4 (two-way crossed, no replication;
    components below 0 count as 0).
    """
    if any(len(group) < 2 for group in groups):
        return float("nan"), float("nan")
    images = groups[0].shape[1]
    means = [group.mean(axis=0) for group in groups]
    difference = means[-1] - means[0] if len(means) == 2 else means[0]
    mistakes = float(sum(residual_mean_square(group) / group.size for group in groups))
    return max(0.0, float(difference.var(ddof=1)) / images - mistakes), mistakes


def residual_mean_square(values: NDArray[np.float64]) -> float:
    """Return the mean square that seeds and images leave unexplained in an array of shape (seeds, images)."""
    rest = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + values.mean()
    return float((rest**2).sum() / np.prod(np.subtract(values.shape, 1)))


def image_bound(first_accuracy: float, second_accuracy: float, images: int) -> float:
    """Return the most that the sampling of the images can add, where their predictions were not kept.

    Two networks with error rates a and b differ on at most a + b of the images (when they share no mistake). The
    difference of an image is -1, 0 or 1, and so its variance is at most a + b, less the square of its mean.
    """
    errors = (1 - first_accuracy) + (1 - second_accuracy)
    return max(0.0, errors - (second_accuracy - first_accuracy) ** 2) / images
