"""The order in which images are seen: one place for both frameworks."""

import numpy as np
from numpy.typing import NDArray

LOG_EVERY = 100  # batches: the report's PyTorch logs print one loss in a hundred


def epoch_order(images: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the order of one epoch: a permutation that depends on nothing but seed and epoch.

    So a run that is resumed at epoch 7 sees what an uninterrupted one sees, and the same seed gives
    Keras and PyTorch the same batches.

    Parameters
    ----------
    images : int
        Training images.
    seed : int
    epoch : int
        Counted from 1.

    Returns
    -------
    int64 array, shape (images,)
    """
    return np.random.default_rng([seed, epoch]).permutation(images)
