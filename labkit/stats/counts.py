"""Numbers of correctly classified images: how far chance alone moves them, and how far apart two of them are."""

from collections.abc import Mapping
from math import sqrt

import pandas as pd

TEST_IMAGES = 10_000


def standard_error(correct: int, total: int = TEST_IMAGES) -> float:
    """Return the binomial standard error of a number of correct images, in images: sqrt(n p (1 - p)).

    Parameters
    ----------
    correct, total : int
        p is their ratio, n is `total`.
    """
    return sqrt(correct * (total - correct) / total)


def difference_error(first: int, second: int, total: int) -> float:
    """Return the standard error of the difference of two numbers of correct images, in images.

    For results on two independent sets of `total` images each. Two networks tested on the same images
    agree on most of them, and the error of their difference is smaller.

    Parameters
    ----------
    first, second, total : int
    """
    return sqrt(standard_error(first, total) ** 2 + standard_error(second, total) ** 2)


def compare_counts(pairs: Mapping[str, tuple[int, int]], first: str, second: str, total: int) -> pd.DataFrame:
    """Compare two numbers of correct images, in several runs.

    Parameters
    ----------
    pairs : mapping of str to (int, int)
        By the name of the row: the number of correct images of the first and of the second network.
    first, second : str
        What the two are called in the heads of the columns.
    total : int
        Images in all.

    Returns
    -------
    DataFrame
        The two numbers, their difference (second less first) in images, its standard error in images, and
        the difference in standard errors.
    """
    rows = {}
    for name, (a, b) in pairs.items():
        error = difference_error(a, b, total)
        rows[name] = {
            first: a,
            second: b,
            "difference": b - a,
            "standard error": round(error, 1),
            "in standard errors": round((b - a) / error, 1) if error else 0.0,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(f"correct images of {total:,}")
