"""Standard errors of numbers of correct images."""

import math

import pytest

from labkit.stats.counts import compare_counts, difference_error, standard_error


def test_the_standard_error_is_that_of_a_binomial_count() -> None:
    assert standard_error(50, 100) == 5.0
    assert standard_error(100, 100) == 0.0
    assert standard_error(9_869, 10_000) == pytest.approx(math.sqrt(10_000 * 0.9869 * 0.0131))
    # without a total, of the 10,000 test images
    assert standard_error(9_900) == pytest.approx((10_000 * 0.99 * 0.01) ** 0.5)
    assert standard_error(10_000) == 0


def test_the_variances_of_a_difference_add() -> None:
    assert difference_error(50, 50, 100) == pytest.approx(math.sqrt(50))
    assert difference_error(100, 100, 100) == 0.0


def test_a_comparison_gives_the_second_less_the_first() -> None:
    table = compare_counts({"a": (9_735, 9_869), "b": (100, 100)}, "5 epochs", "20 epochs", 10_000)
    assert list(table.columns) == ["5 epochs", "20 epochs", "difference", "standard error", "in standard errors"]
    assert list(table.loc["a"]) == [9_735, 9_869, 134, 19.7, 6.8]
    assert table.loc["b", "difference"] == 0


def test_a_comparison_without_error_is_not_divided_by_it() -> None:
    assert compare_counts({"all right": (10, 10)}, "first", "second", 10).loc["all right", "in standard errors"] == 0.0
