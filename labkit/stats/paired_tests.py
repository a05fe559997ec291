"""Two networks compared on the same seeds or on the same images."""

from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from labkit.base.errors import LabError
from labkit.stats.intervals import ROUNDING, sample, t_interval


@dataclass(frozen=True)
class PairedDifference:
    """The mean of `second - first` over seeds that both recipes were run with.

    Attributes
    ----------
    mean, low, high : float
        Mean difference and its 95% interval.
    deviation : float
        Standard deviation of the differences, with n - 1 in the denominator.
    p_value : float
        Of the two-sided paired t-test.
    n : int
        Seeds.
    """

    mean: float
    low: float
    high: float
    deviation: float
    p_value: float
    n: int


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


def paired_difference(first: ArrayLike, second: ArrayLike) -> PairedDifference:
    """Compare two recipes over the same seeds: the mean of `second - first` with its 95% interval.

    Parameters
    ----------
    first, second : array-like, shape (n,)
        One value per seed, both in the same order of seeds.

    Returns
    -------
    PairedDifference
        Without bounds and p-value for n < 2. Where all differences are equal, the interval has no
        width, and p is 0 (or 1 for differences of 0).

    Raises
    ------
    LabError
        The lengths differ, or there are no values.

    Notes
    -----
    Source: Student, The probable error of a mean, Biometrika 6 (1908), section 9.
    """
    x, y = sample(first), sample(second)
    if len(x) != len(y):
        raise LabError(f"a paired difference of {len(x)} and {len(y)} values: valid is the same number, one per seed")
    difference = y - x
    interval = t_interval(difference)
    if len(x) < 2:
        deviation = p_value = nan
    elif np.ptp(difference) < ROUNDING:
        deviation, p_value = 0.0, float(abs(interval.mean) < ROUNDING)
    else:
        deviation, p_value = float(difference.std(ddof=1)), float(stats.ttest_rel(y, x).pvalue)
    return PairedDifference(interval.mean, interval.low, interval.high, deviation, p_value, len(x))


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
