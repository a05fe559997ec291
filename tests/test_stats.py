"""The statistics against worked examples from the literature."""

from math import comb, isnan

import numpy as np
import pytest

from labkit.base.errors import LabError
from labkit.stats.differences import difference_over_seeds, probability_of_improvement, with_images
from labkit.stats.intervals import bootstrap_interval, prediction_interval, seeds_needed, t_interval
from labkit.stats.paired_tests import mcnemar

# Student (1908), section 9: additional hours of sleep under two drugs, ten patients; also R's data set `sleep`.
SLEEP_1 = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SLEEP_2 = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
# Efron and Tibshirani (1993), table 2.1: survival of the treated mice, in days.
MICE = [94, 197, 16, 38, 99, 141, 23]


def correctness(both: int, only_first: int, only_second: int, neither: int) -> tuple[list[bool], list[bool]]:
    """Return per-image correctness of two models with these counts."""
    first = [True] * (both + only_first) + [False] * (only_second + neither)
    second = [True] * both + [False] * only_first + [True] * only_second + [False] * neither
    return first, second


def test_t_interval_of_the_nist_handbook() -> None:
    # NIST/SEMATECH e-Handbook, 1.3.5.2, ZARR13.DAT: n 195, mean 9.261460, s 0.022789; 9.258242 to 9.264679
    values = np.random.default_rng(0).normal(size=195)
    values = 9.261460 + 0.022789 * (values - values.mean()) / values.std(ddof=1)
    found = t_interval(values)
    assert found.n == 195
    assert (found.mean, found.low, found.high) == pytest.approx((9.261460, 9.258242, 9.264679), abs=1e-6)


def test_paired_difference_of_students_sleep_data() -> None:
    # R's documentation of `t.test`: t = 4.0621, df = 9, p = 0.002833, 0.7001142 to 2.4598858, mean 1.58
    found = difference_over_seeds(SLEEP_1, SLEEP_2, paired=True)
    assert found.n == (10, 10)
    assert found.p_value == pytest.approx(0.002833, abs=1e-6)
    assert (found.mean, found.low, found.high) == pytest.approx((1.58, 0.7001142, 2.4598858), abs=1e-6)
    assert found.mean / (found.deviation / 10**0.5) == pytest.approx(4.0621, abs=1e-4)


def test_welch_of_students_sleep_data() -> None:
    # R's documentation of `t.test(extra ~ group, data = sleep)`: t = 1.8608, df = 17.776, p = 0.07939, -0.2054832 to
    # 3.3654832
    found = difference_over_seeds(SLEEP_1, SLEEP_2, paired=False)
    assert found.p_value == pytest.approx(0.07939, abs=5e-6)
    assert (found.low, found.high) == pytest.approx((-0.2054832, 3.3654832), abs=1e-6)
    assert found.freedom == pytest.approx(17.776, abs=5e-4)


@pytest.mark.parametrize("margin", [0.5, 2.0, 3.0])
def test_equivalence_is_that_of_statsmodels(margin: float) -> None:
    weightstats = pytest.importorskip("statsmodels.stats.weightstats")
    x, y = np.array(SLEEP_1), np.array(SLEEP_2)
    paired, welch = (difference_over_seeds(x, y, paired=way) for way in (True, False))
    assert paired.equivalence_p(margin) == pytest.approx(weightstats.ttost_paired(y, x, -margin, margin)[0])
    theirs = weightstats.ttost_ind(y, x, -margin, margin, usevar="unequal")[0]
    assert welch.equivalence_p(margin) == pytest.approx(theirs)


def test_a_prediction_interval_is_that_of_a_regression_on_nothing() -> None:
    from statsmodels.regression.linear_model import OLS

    found = prediction_interval(SLEEP_1)
    theirs = OLS(SLEEP_1, np.ones(10)).fit().get_prediction([1.0]).summary_frame().iloc[0]
    assert (found.mean, found.low, found.high) == pytest.approx(tuple(theirs[["mean", "obs_ci_lower", "obs_ci_upper"]]))


def test_images_make_a_difference_less_sure_and_never_surer() -> None:
    over_seeds = difference_over_seeds([0.0, 1.0, 2.0], [2.0, 2.0, 5.0], paired=True)
    assert with_images(over_seeds, 0.0) == over_seeds
    widths = [found.high - found.low for v in (0.0, 1e-3, 0.1, 10.0) for found in [with_images(over_seeds, v)]]
    assert widths == sorted(set(widths))
    assert with_images(over_seeds, 3.0, mistakes=1.0).error ** 2 == pytest.approx(1.0 + 3.0)


def test_probability_of_improvement() -> None:
    # Bouthillier et al. (2021): seed by seed; and every run against every run, as Mann and Whitney count
    from scipy.stats import mannwhitneyu

    assert probability_of_improvement([1, 2, 3, 4], [2, 2, 2, 5], paired=True).share == 2.5 / 4
    found = probability_of_improvement(SLEEP_1, SLEEP_2[:7], paired=False)
    assert found.share == pytest.approx(mannwhitneyu(SLEEP_2[:7], SLEEP_1).statistic / 70)
    assert 0 < found.low < found.share < found.high <= 1
    assert found == probability_of_improvement(SLEEP_1, SLEEP_2[:7], paired=False)
    always = probability_of_improvement([1, 2], [3, 4], paired=True)
    assert (always.share, always.high) == (1, 1)
    assert always.low == pytest.approx(0.025**0.5)  # two coins, both heads
    never = probability_of_improvement([3, 4, 5], [1, 2], paired=False)
    assert (never.share, never.low) == (0, 0)
    assert never.high == pytest.approx(1 - 0.025**0.5)


def test_bootstrap_of_the_mouse_data() -> None:
    # Table 2.2 there: the bootstrap standard error of the mean is 23.36, so a normal interval is 86.86 ± 1.96 * 23.36
    found = bootstrap_interval(MICE)
    assert found.mean == pytest.approx(86.86, abs=0.005)
    assert found.high - found.low == pytest.approx(2 * 1.96 * 23.36, rel=0.03)
    assert found == bootstrap_interval(MICE)


def test_mcnemar_exact_of_fagerland() -> None:
    # Fagerland, Lydersen and Laake, BMC Medical Research Methodology 13:91 (2013), table 1: exact p 0.0703
    found = mcnemar(*correctness(1, 1, 7, 12))
    assert (found.only_first, found.only_second) == (1, 7)
    assert found.p_value == pytest.approx(0.0703, abs=5e-5)


def test_mcnemar_of_many_images() -> None:
    # the sum of the binomial coefficients of the two tails, by hand
    found = mcnemar(*correctness(9945, 25, 15, 15))
    assert (found.only_first, found.only_second) == (25, 15)
    assert found.p_value == pytest.approx(2 * sum(comb(40, k) for k in range(16)) / 2**40)


def test_a_tie_is_no_evidence() -> None:
    assert mcnemar(*correctness(9900, 27, 27, 46)).p_value == 1


def test_mcnemar_of_equal_models() -> None:
    assert mcnemar([True, False], [True, False]).p_value == 1


def test_paired_size_of_gpower() -> None:
    # G*Power manual, difference between two dependent means: dz 0.421637, alpha 0.05, n 50 gives power 0.832114
    assert seeds_needed(0.421637, 1.0, power=0.832114) == 50
    assert seeds_needed(0.421637, 1.0, power=0.8322) == 51


def test_a_small_difference_needs_very_many_seeds() -> None:
    # the normal approximation: (1.95996 + 0.84162)^2 / 0.01^2
    assert seeds_needed(0.01, 1.0) == pytest.approx(78_489, abs=3)


@pytest.mark.parametrize("effect", [0.3, 1.0, 3.0, 10.0, 40.0])
def test_the_seeds_that_are_needed_are_no_more_than_enough(effect: float) -> None:
    from statsmodels.stats.power import TTestPower

    n = seeds_needed(effect, 1.0)
    power = [TTestPower().power(effect, m, 0.025, alternative="larger") for m in (n - 1, n)]
    assert power[1] >= 0.8
    assert n == 2 or power[0] < 0.8


def test_a_huge_difference_needs_two_seeds() -> None:
    assert seeds_needed(100.0, 1.0) == 2
    assert seeds_needed(-100.0, 1.0) == 2


def test_one_seed_has_no_interval() -> None:
    assert isnan(t_interval([0.98]).low)
    assert isnan(bootstrap_interval([0.98]).high)
    assert isnan(prediction_interval([0.98]).low)
    for paired in (True, False):
        found = difference_over_seeds([0.98], [0.99], paired)
        assert isnan(found.p_value) and isnan(found.equivalence_p(0.1)) and isnan(found.high)
    assert isnan(probability_of_improvement([1], [2], paired=True).low)


def test_equal_values_have_an_interval_of_no_width() -> None:
    assert bootstrap_interval([0.5, 0.5, 0.5]).low == 0.5
    assert t_interval([0.5, 0.5, 0.5]).high == 0.5
    assert prediction_interval([0.5, 0.5]).high == 0.5
    assert difference_over_seeds([1, 2], [1, 2], paired=True).p_value == 1
    same = difference_over_seeds([1, 2], [2, 3], paired=True)
    assert (same.p_value, same.low, same.high) == (0, 1, 1)
    assert (same.equivalence_p(0.9), same.equivalence_p(1), same.equivalence_p(1.1)) == (1, 1, 0)
    assert difference_over_seeds([1, 1], [2, 2, 2], paired=False).p_value == 0


@pytest.mark.parametrize(
    ("difference", "deviation", "power", "part"),
    [(0.0, 1.0, 0.8, "difference"), (1.0, 0.0, 0.8, "deviation"), (1.0, 1.0, 1.0, "power")],
)
def test_impossible_questions_are_one_line(difference: float, deviation: float, power: float, part: str) -> None:
    with pytest.raises(LabError, match=part):
        seeds_needed(difference, deviation, power)


def test_unequal_or_no_values_are_one_line() -> None:
    with pytest.raises(LabError, match="3 and 2 values"):
        difference_over_seeds([1, 2, 3], [1, 2], paired=True)
    with pytest.raises(LabError, match="no values"):
        t_interval([])
    with pytest.raises(LabError, match="2 and 1 images"):
        mcnemar([True, True], [True])
