"""Honest statistics for a few seeds: intervals, paired differences, McNemar's test, seeds needed.

Everything is computed by SciPy and statsmodels; what stands here says which method is used and why.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, nan
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from statsmodels.stats.power import TTestPower

from labkit.errors import LabError

CONFIDENCE = 0.95
ALPHA = 0.05
# Differences of accuracies that should be equal differ by this much at most.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval.

    Attributes
    ----------
    mean, low, high : float
        In the unit of the values. `low` and `high` are NaN where there are too few values.
    n : int
        Values.
    """

    mean: float
    low: float
    high: float
    n: int


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


def t_interval(values: ArrayLike) -> Interval:
    """Return the mean and its 95% interval from Student's t distribution.

    Assumes that the values are drawn independently from a distribution close to normal; with few
    values this is the interval to use.

    Parameters
    ----------
    values : array-like, shape (n,)
        For instance the test accuracy of each seed.

    Returns
    -------
    Interval
        mean ± t(0.975, n - 1) · s / sqrt(n); without bounds for n < 2, of no width where all values are equal.

    Notes
    -----
    Source: NIST/SEMATECH e-Handbook of Statistical Methods, section 1.3.5.2.
    """
    return _interval(_values(values), lambda x: stats.ttest_1samp(x, 0).confidence_interval(CONFIDENCE))


def bootstrap_interval(values: ArrayLike) -> Interval:
    """Return the mean and its 95% interval from the bias-corrected and accelerated bootstrap.

    Assumes no shape of the distribution. With fewer than about ten values it is too narrow: it can
    only repeat what it has seen. The same values always give the same interval: the resampling has a fixed seed.

    Parameters
    ----------
    values : array-like, shape (n,)

    Returns
    -------
    Interval
        Without bounds for n < 2, of no width where all values are equal.

    Notes
    -----
    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), section 14.3.
    """

    def bounds(x: NDArray[np.float64]) -> Any:
        generator = np.random.default_rng(0)
        found = stats.bootstrap((x,), np.mean, confidence_level=CONFIDENCE, method="BCa", random_state=generator)
        return found.confidence_interval

    return _interval(_values(values), bounds)


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
    x, y = _values(first), _values(second)
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


def seeds_needed(difference: float, deviation: float, power: float = 0.8) -> int:
    """Return how many seeds it takes to tell two recipes apart with a paired t-test at the level 0.05.

    Parameters
    ----------
    difference : float
        The true difference between the means that is to be seen.
    deviation : float
        Standard deviation of the differences over seeds, in the same unit.
    power : float
        The wanted chance of seeing it, between 0.05 and 1.

    Returns
    -------
    int
        Seeds of each recipe, at least 2.

    Raises
    ------
    LabError
        The difference is 0, the deviation not above 0, or the power is out of range.

    Notes
    -----
    The effect size is difference / deviation, from which the noncentral t distribution gives the
    power. Source: Cohen, Statistical Power Analysis for the Behavioral Sciences (1988), chapter 2.
    """
    if not ALPHA < power < 1:
        raise LabError(f"power is {power}: valid are numbers above {ALPHA} and below 1")
    if not (np.isfinite(difference) and difference != 0):
        raise LabError(f"the difference to be seen is {difference}: valid are finite numbers other than 0")
    if not (np.isfinite(deviation) and deviation > 0):
        raise LabError(f"the deviation over seeds is {deviation}: valid are finite numbers above 0")
    test = TTestPower()
    effect = abs(difference) / deviation
    if test.power(effect, 2, ALPHA) >= power:  # statsmodels finds no root below two seeds
        return 2
    return ceil(float(test.solve_power(effect, alpha=ALPHA, power=power)))


def _interval(x: NDArray[np.float64], bounds: Callable[[NDArray[np.float64]], Any]) -> Interval:
    """Return the mean with the bounds that SciPy finds, where the values differ."""
    mean = float(x.mean())
    if len(x) < 2:
        return Interval(mean, nan, nan, len(x))
    if np.ptp(x) < ROUNDING:  # SciPy would warn
        return Interval(mean, mean, mean, len(x))
    found = bounds(x)
    return Interval(mean, float(found.low), float(found.high), len(x))


def _values(values: ArrayLike) -> NDArray[np.float64]:
    x = np.asarray(values, dtype=np.float64).ravel()
    if not x.size:
        raise LabError("statistics of no values: at least one seed is needed")
    return x
