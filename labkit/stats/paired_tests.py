"""Two trained networks compared on the same images."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from labkit.base.errors import LabError


@dataclass(frozen=True)
class McNemar:
    """McNemar's test of two models on the same images.

    Attributes
    ----------
    only_first, only_second : int
        Images that only the first, only the second model gets right.
    p_value : float
        Two-sided.
    """

    only_first: int
    only_second: int
    p_value: float


def mcnemar(first_correct: ArrayLike, second_correct: ArrayLike) -> McNemar:
    """Ask whether two models differ on the same images: McNemar's test in its exact (binomial) form.

    Only the images on which exactly one of the two is right count. It answers for these two trained
    networks, not for their recipes: another seed gives two other networks.

    Parameters
    ----------
    first_correct, second_correct : bool array-like, shape (images,)
        Whether each image was classified correctly.

    Returns
    -------
    McNemar
        With p = 1 where there is no such image.

    Raises
    ------
    LabError
        The lengths differ.

    Notes
    -----
    Sources: McNemar, Psychometrika 12 (1947); Fagerland, Lydersen and Laake, BMC Medical Research Methodology
    13:91 (2013).
    """
    a, b = np.asarray(first_correct, dtype=bool), np.asarray(second_correct, dtype=bool)
    if a.shape != b.shape:
        raise LabError(f"McNemar's test on {a.size} and {b.size} images: valid is the same images twice")
    only_first, only_second = int((a & ~b).sum()), int((b & ~a).sum())
    only_one = only_first + only_second
    p_value = float(stats.binomtest(only_first, only_one).pvalue) if only_one else 1.0
    return McNemar(only_first, only_second, p_value)
