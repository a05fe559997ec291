"""The difference of two recipes over seeds: for these test images, and for images like these."""

from dataclasses import dataclass, replace
from math import nan, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from labkit.base.errors import LabError
from labkit.stats.intervals import CONFIDENCE, ROUNDING, sample


@dataclass(frozen=True)
class Difference:
    """A difference of two means, `second - first`, with its standard error; NaN where there are too few values.

    Attributes
    ----------
    mean : float
    error : float
        Its standard error.
    freedom : float
        Degrees of freedom of the error, for Student's t.
    n : (int, int)
        Seeds of the first and of the second recipe.
    """

    mean: float
    error: float
    freedom: float
    n: tuple[int, int]

    @property
    def known(self) -> bool:
        """Whether there are seeds enough for an interval."""
        return bool(np.isfinite(self.error))

    @property
    def low(self) -> float:
        """The lower end of the 95% interval."""
        return self.interval()[0]

    @property
    def high(self) -> float:
        """The upper end of the 95% interval."""
        return self.interval()[1]

    @property
    def p_value(self) -> float:
        """Of the two-sided test of no difference."""
        if not self.known:
            return nan
        if self.error < ROUNDING:
            return float(abs(self.mean) < ROUNDING)
        return float(2 * stats.t.sf(abs(self.mean) / self.error, self.freedom))

    @property
    def deviation(self) -> float:
        """The standard deviation of the paired differences, from which a paired error comes."""
        return self.error * sqrt(self.n[0])

    def deviation_interval(self) -> tuple[float, float]:
        """Return the 95% interval of `deviation`, from the chi-squared distribution of a variance."""
        low, high = stats.chi2.interval(CONFIDENCE, self.freedom)
        return self.deviation * sqrt(self.freedom / high), self.deviation * sqrt(self.freedom / low)

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Return an interval of the difference."""
        if not self.known:
            return nan, nan
        if self.error < ROUNDING:
            return self.mean, self.mean
        low, high = stats.t.interval(confidence, self.freedom, self.mean, self.error)
        return float(low), float(high)

    def equivalence_p(self, margin: float) -> float:
        """Return p of the two one-sided tests (TOST): small where the difference surely lies within the margin.

        Notes
        -----
        Source: Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15 (1987). statsmodels has the test for
        samples (`ttost_paired`, `ttost_ind`), but not for a difference with a standard error from elsewhere.
        """
        if not self.known:
            return nan
        if self.error < ROUNDING:
            return float(abs(self.mean) >= margin - ROUNDING)
        above = stats.t.sf((self.mean + margin) / self.error, self.freedom)
        below = stats.t.cdf((self.mean - margin) / self.error, self.freedom)
        return float(max(above, below))


def difference_over_seeds(first: ArrayLike, second: ArrayLike, paired: bool) -> Difference:
    """Compare two recipes over seeds, for the test images that there are.

    Parameters
    ----------
    first, second : array-like, shape (n,) and (m,)
        One value per seed; where paired, both in the same order of seeds.
    paired : bool
        True: Student's paired t-test. False: Welch's t-test, which lets the two scatter differently.

    Raises
    ------
    LabError
        Paired values of different lengths, or no values.

    Notes
    -----
    Sources: Student, Biometrika 6 (1908), section 9; Welch, Biometrika 34 (1947).
    """
    x, y = sample(first), sample(second)
    if paired and len(x) != len(y):
        raise LabError(f"a paired difference of {len(x)} and {len(y)} values: valid is the same number, one per seed")
    mean, n = float(y.mean() - x.mean()), (len(x), len(y))
    if min(n) < 2:
        return Difference(mean, nan, nan, n)
    if paired:
        return Difference(mean, float(stats.sem(y - x)), len(x) - 1, n)
    error = sqrt(stats.sem(x) ** 2 + stats.sem(y) ** 2)
    if error < ROUNDING:  # SciPy would warn
        return Difference(mean, error, min(n) - 1, n)
    return Difference(mean, error, float(stats.ttest_ind(y, x, equal_var=False).df), n)


def with_images(over_seeds: Difference, between: float, mistakes: float = 0.0) -> Difference:
    """Add the sampling of the images to a difference over seeds: the variances add.

    Parameters
    ----------
    over_seeds : Difference
    between, mistakes : float
        From `labkit.stats.variance`: what other images would change, and what single mistakes bring into the variance
        between seeds, which is at least that, however alike a few seeds happen to be.

    Notes
    -----
    The degrees of freedom stay those of the seeds. The images have thousands, and the smaller number is on the safe
    side. So the interval is never narrower than that over seeds, and too large a variance never makes a difference look
    surer than it is.
    """
    seeds = np.maximum(over_seeds.error**2, mistakes)  # NaN stays NaN
    return replace(over_seeds, error=float(np.sqrt(seeds + between)))


@dataclass(frozen=True)
class Improvement:
    """In what share of pairs of runs the second is better, with a 95% interval over seeds."""

    share: float
    low: float
    high: float


def probability_of_improvement(first: ArrayLike, second: ArrayLike, paired: bool) -> Improvement:
    """Return the share of pairs of runs in which the second is better, ties counted half.

    Parameters
    ----------
    first, second : array-like
        As in `difference_over_seeds`. Paired: a pair is one seed. Not paired: every run of the first with every run of
        the second (Mann and Whitney's U over their number).

    Notes
    -----
    Source: Bouthillier et al., Accounting for variance in machine learning benchmarks, MLSys 2021. The interval
    is a bootstrap over seeds. Where one side always wins, that has nothing to vary: there the interval is that of a
    coin which is thrown once for each pair (not paired: once for each seed of the run that has fewer) and always falls
    on the same side (Clopper and Pearson, Biometrika 26, 1934).
    """
    x, y = sample(first), sample(second)

    def share(x: NDArray[np.float64], y: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
        gain = y - x if paired else y[..., :, None] - x[..., None, :]
        wins = (gain > ROUNDING) + 0.5 * (np.abs(gain) <= ROUNDING)
        return np.asarray(wins.mean(axis=axis if paired else (-2, -1)))

    found = float(share(x, y))
    if min(len(x), len(y)) < 2:
        return Improvement(found, nan, nan)
    if found in (0, 1):
        throws = min(len(x), len(y))
        exact = stats.binomtest(round(found * throws), throws).proportion_ci(CONFIDENCE)
        return Improvement(found, float(exact.low), float(exact.high))
    generator = np.random.default_rng(0)
    drawn = stats.bootstrap(
        (x, y), share, paired=paired, vectorized=True, n_resamples=2000, method="percentile", random_state=generator
    )
    return Improvement(found, float(drawn.confidence_interval.low), float(drawn.confidence_interval.high))
