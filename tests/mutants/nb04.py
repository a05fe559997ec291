"""Typical wrong answers to the exercises of notebook 04."""

from typing import Any

MUTANTS: dict[str, list[Any]] = {
    "04-1": [
        lambda x, slope: 1 if x > 0 else slope,  # the derivative with respect to the input
        lambda x, slope: x,  # the negative half for every x
        lambda x, slope: 0 if x > 0 else -x,
        lambda x, slope: 0 if x > 0 else slope * x,  # the value instead of its derivative
        lambda x, slope: 0,
    ],
    "04-2": [
        lambda weights, bias: sum(weights) + bias <= 0,  # every input at 1
        lambda weights, bias: max(weights) + bias <= 0,  # only the largest weight
        lambda weights, bias: bias <= 0,  # every input at 0
        lambda weights, bias: sum(w for w in weights if w > 0) + bias < 0,  # an input of exactly 0 is off as well
        lambda weights, bias: sum(abs(w) for w in weights) + bias <= 0,
    ],
    "04-3": [
        32,  # does not exceed them
        23,  # the error of one number, not of a difference
        17,  # one standard error
        0.0033,  # as a share
    ],
}
