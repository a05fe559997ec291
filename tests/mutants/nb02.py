"""Typical wrong answers to the exercises of notebook 02."""

from collections.abc import Sequence
from math import sqrt
from typing import Any


def variance(accuracy: float, images: int) -> float:
    """Leave out the root."""
    return 100 * accuracy * (1 - accuracy) / images


def in_images(accuracy: float, images: int) -> float:
    """Give the standard error of the number of right answers."""
    return sqrt(images * accuracy * (1 - accuracy))


def as_a_share(accuracy: float, images: int) -> float:
    """Forget the percentage points."""
    return sqrt(accuracy * (1 - accuracy) / images)


def of_the_errors_only(accuracy: float, images: int) -> float:
    """Take Poisson's formula, which holds for rare mistakes only."""
    return 100 * sqrt((1 - accuracy) / images)


def never_stops(losses: Sequence[float], patience: int) -> int:
    """Take the best of all epochs."""
    return losses.index(min(losses)) + 1


def counts_without_reset(losses: Sequence[float], patience: int) -> int:
    """Count all epochs that were no better, in a row or not."""
    best, waited = 1, 0
    for epoch, loss in enumerate(losses, start=1):
        if loss < losses[best - 1]:
            best = epoch
        elif epoch > 1:
            waited += 1
            if waited >= patience:
                break
    return best


def compares_with_the_epoch_before(losses: Sequence[float], patience: int) -> int:
    """Reset the counter by any epoch that is better than the last one."""
    waited = 0
    for i in range(1, len(losses)):
        waited = 0 if losses[i] < losses[i - 1] else waited + 1
        if waited >= patience:
            return losses.index(min(losses[: i + 1])) + 1
    return losses.index(min(losses)) + 1


def one_epoch_too_late(losses: Sequence[float], patience: int) -> int:
    """Stop only when more than `patience` epochs were no better."""
    best = 1
    for epoch, loss in enumerate(losses, start=1):
        if loss < losses[best - 1]:
            best = epoch
        elif epoch - best > patience:
            break
    return best


def an_equal_one_is_better(losses: Sequence[float], patience: int) -> int:
    """Let an epoch that equals the best take its place."""
    best = 1
    for epoch, loss in enumerate(losses, start=1):
        if loss <= losses[best - 1]:
            best = epoch
        elif epoch - best >= patience:
            break
    return best


def the_epoch_of_the_stop(losses: Sequence[float], patience: int) -> int:
    """Return where it stopped, not the best epoch."""
    best = 1
    for epoch, loss in enumerate(losses, start=1):
        if loss < losses[best - 1]:
            best = epoch
        elif epoch - best >= patience:
            return epoch
    return len(losses)


def counted_from_zero(losses: Sequence[float], patience: int) -> int:
    """Return an index."""
    return losses.index(min(losses[: patience + 1]))


MUTANTS: dict[str, list[Any]] = {
    "02-1": [variance, in_images, as_a_share, of_the_errors_only, 0.113],
    "02-2": [19_600, 7_840_000, 280, 78_399, 39_200],
    "02-3": [
        never_stops,
        counts_without_reset,
        compares_with_the_epoch_before,
        one_epoch_too_late,
        an_equal_one_is_better,
        the_epoch_of_the_stop,
        counted_from_zero,
    ],
}
