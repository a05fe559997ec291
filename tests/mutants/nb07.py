"""Wrong answers to the exercises of notebook 07."""

from math import sqrt
from typing import Any

import numpy as np

MUTANTS: dict[str, list[Any]] = {
    "07-1": [
        12,  # rounded too far
        10_000 * 0.985 * 0.015,  # the variance
        sqrt(0.985 * 0.015 / 10_000),  # of the accuracy, not of the number
        100 * sqrt(0.985 * 0.015 / 10_000),  # in percent
        sqrt(2 * 10_000 * 0.985 * 0.015),  # of a difference
        sqrt(10_000 * 0.985),
        "12.2",
    ],
    "07-2": [
        lambda confusion: confusion.diagonal() / confusion.sum(axis=0),  # precision
        lambda confusion: confusion.diagonal() / confusion.sum(),
        lambda confusion: np.trace(confusion) / confusion.sum(),  # accuracy
        lambda confusion: 1 - confusion.diagonal() / confusion.sum(axis=1),
        lambda confusion: confusion / confusion.sum(axis=1),
        lambda confusion: 100 * confusion.diagonal() / confusion.sum(axis=1),
    ],
    "07-3": [
        7.0,
        sqrt(83),
        7 / 83,
        7 / sqrt(7),
        7 / (sqrt(45) + sqrt(38)),
        7 / sqrt(10_000),
        0.8,
    ],
}
