"""Typical wrong answers to the exercises of notebook 09."""

from math import sqrt

import numpy as np
from scipy.stats import norm, t

EQUAL, SUPPORTED, CONTRADICTED, UNDECIDED = "practically equal", "supported", "contradicted", "undecided"


def deviation_with_n(values: list[float]) -> float:
    return float(t.ppf(0.975, len(values) - 1) * np.std(values) / sqrt(len(values)))


def normal_factor(values: list[float]) -> float:
    return float(norm.ppf(0.975) * np.std(values, ddof=1) / sqrt(len(values)))


def n_degrees(values: list[float]) -> float:
    return float(t.ppf(0.975, len(values)) * np.std(values, ddof=1) / sqrt(len(values)))


def whole_width(values: list[float]) -> float:
    return float(2 * t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / sqrt(len(values)))


def one_sided(values: list[float]) -> float:
    return float(t.ppf(0.95, len(values) - 1) * np.std(values, ddof=1) / sqrt(len(values)))


def of_one_value(values: list[float]) -> float:
    return float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1))


def equality_last(difference: float, claimed: int, p_equal: float, p_holm: float) -> str:
    if p_holm < 0.05:
        return SUPPORTED if difference * claimed > 0 else CONTRADICTED
    return EQUAL if p_equal < 0.05 else UNDECIDED


def sign_forgotten(difference: float, claimed: int, p_equal: float, p_holm: float) -> str:
    if p_equal < 0.05:
        return EQUAL
    if p_holm < 0.05:
        return SUPPORTED if difference > 0 else CONTRADICTED
    return UNDECIDED


def level_included(difference: float, claimed: int, p_equal: float, p_holm: float) -> str:
    if p_equal <= 0.05:
        return EQUAL
    if p_holm <= 0.05:
        return SUPPORTED if difference * claimed > 0 else CONTRADICTED
    return UNDECIDED


def undecided_is_equal(difference: float, claimed: int, p_equal: float, p_holm: float) -> str:
    if p_equal >= 0.05 and p_holm < 0.05:
        return SUPPORTED if difference * claimed > 0 else CONTRADICTED
    return EQUAL


def sign_without_test(difference: float, claimed: int, p_equal: float, p_holm: float) -> str:
    if p_equal < 0.05:
        return EQUAL
    return SUPPORTED if difference * claimed > 0 else CONTRADICTED


MUTANTS = {
    "09-1": [deviation_with_n, normal_factor, n_degrees, whole_width, one_sided, of_one_value],
    # one tail only; the normal approximation without correction; McNemar's statistic instead of p; 30 of 48
    "09-2": [0.06, 0.08, 2.52, 0.63],
    # a power of 80%; two groups that are not paired; the deviation over the difference; not rounded up
    "09-3": [34, 86, 85, 2, 42.03],
    "09-4": [equality_last, sign_forgotten, level_included, undecided_is_equal, sign_without_test],
}
