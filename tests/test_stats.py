"""The statistics against worked examples from the literature."""

from math import comb, isnan

import numpy as np
import pytest

from labkit.base.errors import LabError
from labkit.stats.intervals import bootstrap_interval, seeds_needed, t_interval
from labkit.stats.paired_tests import mcnemar, paired_difference

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
    found = paired_difference(SLEEP_1, SLEEP_2)
    assert found.n == 10
    assert found.p_value == pytest.approx(0.002833, abs=1e-6)
    assert (found.mean, found.low, found.high) == pytest.approx((1.58, 0.7001142, 2.4598858), abs=1e-6)
    assert found.mean / (found.deviation / 10**0.5) == pytest.approx(4.0621, abs=1e-4)


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


def test_a_huge_difference_needs_two_seeds() -> None:
    assert seeds_needed(100.0, 1.0) == 2
    assert seeds_needed(-100.0, 1.0) == 2


def test_one_seed_has_no_interval() -> None:
    assert isnan(t_interval([0.98]).low)
    assert isnan(bootstrap_interval([0.98]).high)
    assert isnan(paired_difference([0.98], [0.99]).p_value)


def test_equal_values_have_an_interval_of_no_width() -> None:
    assert bootstrap_interval([0.5, 0.5, 0.5]).low == 0.5
    assert t_interval([0.5, 0.5, 0.5]).high == 0.5
    assert paired_difference([1, 2], [1, 2]).p_value == 1
    assert paired_difference([1, 2], [2, 3]).p_value == 0


@pytest.mark.parametrize(
    ("difference", "deviation", "power", "part"),
    [(0.0, 1.0, 0.8, "difference"), (1.0, 0.0, 0.8, "deviation"), (1.0, 1.0, 1.0, "power")],
)
def test_impossible_questions_are_one_line(difference: float, deviation: float, power: float, part: str) -> None:
    with pytest.raises(LabError, match=part):
        seeds_needed(difference, deviation, power)


def test_unequal_or_no_values_are_one_line() -> None:
    with pytest.raises(LabError, match="3 and 2 values"):
        paired_difference([1, 2, 3], [1, 2])
    with pytest.raises(LabError, match="no values"):
        t_interval([])
    with pytest.raises(LabError, match="2 and 1 images"):
        mcnemar([True, True], [True])
