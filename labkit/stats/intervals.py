"""Honest statistics for a few seeds: intervals, prediction intervals, seeds needed.

SciPy and statsmodels compute everything; this module says which method is used and why.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, nan, sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

from labkit.base.errors import LabError

CONFIDENCE = 0.95
ALPHA = 0.05
# Differences of accuracies that should be equal differ by this much at most.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Interval:
    """A mean of `n` values with its confidence interval, in their unit; NaN where there are too few values."""

    mean: float
    low: float
    high: float
    n: int


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
    return _interval(sample(values), lambda x: stats.ttest_1samp(x, 0).confidence_interval(CONFIDENCE))


@dataclass(frozen=True)
class Prediction:
    """Where one more value will lie: the mean, the deviation of one more value from it, and a 95% interval."""

    mean: float
    deviation: float
    low: float
    high: float
    n: int


def prediction_interval(values: ArrayLike) -> Prediction:
    """Return the 95% interval in which one more value of the same kind will lie.

    Wider than the interval of the mean: one more run scatters as each run does, and the mean is not known either.

    Parameters
    ----------
    values : array-like, shape (n,)

    Returns
    -------
    Prediction
        mean ± t(0.975, n - 1) · s · sqrt(1 + 1 / n); without bounds for n < 2.

    Notes
    -----
    Source: Hahn and Meeker, Statistical Intervals (1991), section 4.7.
    """
    x = sample(values)
    mean, n = float(x.mean()), len(x)
    if n < 2:
        return Prediction(mean, nan, nan, nan, n)
    deviation = float(x.std(ddof=1)) * sqrt(1 + 1 / n)
    if deviation < ROUNDING:
        return Prediction(mean, 0.0, mean, mean, n)
    low, high = stats.t.interval(CONFIDENCE, n - 1, mean, deviation)
    return Prediction(mean, deviation, float(low), float(high), n)


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

    return _interval(sample(values), bounds)


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
    from statsmodels.stats.power import TTestPower  # not above: its import takes two seconds, in every notebook

    test, effect = TTestPower(), min(abs(difference) / deviation, 100.0)  # of which two seeds are enough

    def lacking(n: float) -> float:
        reached = test.power(effect, n, ALPHA)
        if np.isnan(reached):  # SciPy's chance of the wrong sign, where that is next to nothing
            reached = test.power(effect, n, ALPHA / 2, alternative="larger")
        return float(reached - power)

    if lacking(2) >= 0:
        return 2
    enough = 10 + 4 * ((stats.norm.ppf(1 - ALPHA / 2) + stats.norm.ppf(power)) / effect) ** 2
    # not by solve_power, which finds no root where thousands of seeds are needed
    return ceil(float(optimize.brentq(lacking, 2, enough)))


def _interval(x: NDArray[np.float64], bounds: Callable[[NDArray[np.float64]], Any]) -> Interval:
    """Return the mean with the bounds that SciPy finds, where the values differ."""
    mean = float(x.mean())
    if len(x) < 2:
        return Interval(mean, nan, nan, len(x))
    if np.ptp(x) < ROUNDING:  # SciPy would warn
        return Interval(mean, mean, mean, len(x))
    found = bounds(x)
    return Interval(mean, float(found.low), float(found.high), len(x))


def sample(values: ArrayLike) -> NDArray[np.float64]:
    """Return values, at least one, as a float64 array of shape (n,)."""
    x = np.asarray(values, dtype=np.float64).ravel()
    if not x.size:
        raise LabError("statistics of no values: at least one seed is needed")
    return x
