"""Honest statistics for a few seeds: intervals, paired differences, McNemar's test, seeds needed.

Everything is computed by SciPy and statsmodels; what stands here says which method is used and why.
"""

from dataclasses import dataclass
from math import ceil, nan, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.power import TTestIndPower, TTestPower

from labkit.errors import LabError

CONFIDENCE = 0.95
# Below this many images that only one of two models gets right, chi-square is a poor approximation.
EXACT_BELOW = 25
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
    exact : bool
        Binomial test; otherwise chi-square with continuity correction.
    """

    only_first: int
    only_second: int
    p_value: float
    exact: bool


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
        mean ± t(0.975, n - 1) · s / sqrt(n); without bounds for n < 2.

    Notes
    -----
    Source: NIST/SEMATECH e-Handbook of Statistical Methods, section 1.3.5.2.
    """
    x = _values(values)
    if len(x) < 2:
        return Interval(float(x.mean()), nan, nan, len(x))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(x) - 1)) * float(x.std(ddof=1)) / sqrt(len(x))
    return Interval(float(x.mean()), float(x.mean()) - half, float(x.mean()) + half, len(x))


def bootstrap_interval(values: ArrayLike, resamples: int = 9999, seed: int = 0) -> Interval:
    """Return the mean and its 95% interval from the bias-corrected and accelerated bootstrap.

    Assumes no shape of the distribution. With fewer than about ten values it is too narrow: it can
    only repeat what it has seen.

    Parameters
    ----------
    values : array-like, shape (n,)
    resamples : int
    seed : int
        Of the resampling: the same seed gives the same interval.

    Returns
    -------
    Interval
        Without bounds for n < 2; of no width where all values are the same.

    Notes
    -----
    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), section 14.3.
    """
    x = _values(values)
    if len(x) < 2:
        return Interval(float(x.mean()), nan, nan, len(x))
    if np.ptp(x) < ROUNDING:  # every resample is the same: SciPy would warn and return NaN
        return Interval(float(x[0]), float(x[0]), float(x[0]), len(x))
    generator = np.random.default_rng(seed)
    found = stats.bootstrap(
        (x,), np.mean, n_resamples=resamples, confidence_level=CONFIDENCE, method="BCa", random_state=generator
    ).confidence_interval
    return Interval(float(x.mean()), float(found.low), float(found.high), len(x))


def paired_difference(first: ArrayLike, second: ArrayLike) -> PairedDifference:
    """Compare two recipes over the same seeds: the mean of `second - first` with its 95% interval.

    Parameters
    ----------
    first, second : array-like, shape (n,)
        One value a seed, both in the same order of seeds.

    Returns
    -------
    PairedDifference
        Without bounds and p-value for n < 2. Where all differences are the same, the interval has no
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
        raise LabError(f"a paired difference of {len(x)} and {len(y)} values: valid is the same number, one a seed")
    difference = y - x
    interval = t_interval(difference)
    if len(x) < 2:
        return PairedDifference(interval.mean, nan, nan, nan, nan, len(x))
    if np.ptp(difference) < ROUNDING:
        equal = abs(interval.mean) < ROUNDING
        return PairedDifference(interval.mean, interval.mean, interval.mean, 0.0, float(equal), len(x))
    p_value = float(stats.ttest_rel(y, x).pvalue)
    return PairedDifference(interval.mean, interval.low, interval.high, float(difference.std(ddof=1)), p_value, len(x))


def mcnemar(first_correct: ArrayLike, second_correct: ArrayLike) -> McNemar:
    """Ask whether two models differ on the same images: McNemar's test.

    Only the images on which exactly one of the two is right count. It answers for these two trained
    networks, not for their recipes: another seed gives two other networks.

    Parameters
    ----------
    first_correct, second_correct : bool array-like, shape (images,)
        Whether each image was classified correctly.

    Returns
    -------
    McNemar
        Exact (binomial) for fewer than 25 such images, else chi-square with continuity correction.

    Raises
    ------
    LabError
        The lengths differ.

    Notes
    -----
    Sources: McNemar, Psychometrika 12 (1947); Dietterich, Approximate statistical tests for comparing
    supervised classification learning algorithms, Neural Computation 10 (1998), section 3.1.
    """
    a, b = np.asarray(first_correct, dtype=bool), np.asarray(second_correct, dtype=bool)
    if a.shape != b.shape:
        raise LabError(f"McNemar's test on {a.size} and {b.size} images: valid is the same images twice")
    only_first, only_second = int((a & ~b).sum()), int((b & ~a).sum())
    exact = only_first + only_second < EXACT_BELOW
    table = [[int((a & b).sum()), only_first], [only_second, int((~a & ~b).sum())]]
    found = statsmodels_mcnemar(table, exact=exact, correction=True)
    return McNemar(only_first, only_second, min(1.0, float(found.pvalue)), exact)


def seeds_needed(
    difference: float, deviation: float, power: float = 0.8, alpha: float = 0.05, paired: bool = True
) -> int:
    """Return how many seeds it takes to tell two recipes apart.

    Parameters
    ----------
    difference : float
        The true difference between the means that is to be seen.
    deviation : float
        Standard deviation over seeds, in the same unit: of the differences where paired, else of
        each recipe.
    power : float
        The wanted chance of seeing it, between `alpha` and 1.
    alpha : float
        The accepted chance of seeing a difference that is not there (two-sided).
    paired : bool
        The same seeds for both recipes (paired t-test); otherwise different ones (two-sample t-test).

    Returns
    -------
    int
        Seeds a recipe, at least 2.

    Raises
    ------
    LabError
        The difference is 0, the deviation not above 0, or power and alpha are not probabilities.

    Notes
    -----
    The effect size is difference / deviation, from which the noncentral t distribution gives the
    power. Source: Cohen, Statistical Power Analysis for the Behavioral Sciences (1988), chapter 2.
    """
    if not 0 < alpha < power < 1:
        raise LabError(f"power is {power} and alpha {alpha}: valid is 0 < alpha < power < 1")
    if not (np.isfinite(difference) and difference != 0):
        raise LabError(f"the difference to be seen is {difference}: valid are finite numbers other than 0")
    if not (np.isfinite(deviation) and deviation > 0):
        raise LabError(f"the deviation over seeds is {deviation}: valid are finite numbers above 0")
    test = TTestPower() if paired else TTestIndPower()
    effect = abs(difference) / deviation
    if test.power(effect, 2, alpha) >= power:  # statsmodels finds no root below two seeds
        return 2
    return ceil(float(test.solve_power(effect, alpha=alpha, power=power)))


def _values(values: ArrayLike) -> NDArray[np.float64]:
    x = np.asarray(values, dtype=np.float64).ravel()
    if not x.size:
        raise LabError("statistics of no values: at least one seed is needed")
    return x
