"""Wrong answers to the exercises of notebook 08."""

from typing import Any


def starts_at_a_25th(step: int, steps: int, peak: float) -> float:
    quarter = steps / 4
    if step <= quarter:
        return peak / 25 + (peak - peak / 25) * step / quarter
    return peak * (steps - step) / (steps - quarter)


def falls_from_the_middle(step: int, steps: int, peak: float) -> float:
    middle = steps / 2
    return peak * step / middle if step <= middle else peak * (steps - step) / middle


def stays_at_the_peak(step: int, steps: int, peak: float) -> float:
    return min(peak, peak * step / (steps / 4))


def falls_too_fast(step: int, steps: int, peak: float) -> float:
    quarter = steps / 4
    return peak * step / quarter if step <= quarter else max(0.0, peak * (1 - (step - quarter) / quarter))


def falls_too_late(step: int, steps: int, peak: float) -> float:
    quarter = steps / 4
    return peak * step / quarter if step <= quarter else peak * (1 - (step - quarter) / steps)


MUTANTS: dict[str, list[Any]] = {
    "08-1": [
        0.18 / 96,  # tera taken for giga
        96 / 180,  # upside down
        1875.0,  # milliseconds
        180 * 96,
        1.9,  # rounded too far
    ],
    "08-2": [
        lambda share, factor: factor,
        lambda share, factor: 1 + share * (factor - 1),
        lambda share, factor: (1 - share) + share / factor,  # the new time, not the gain
        lambda share, factor: 1 / (share + (1 - share) / factor),  # the other part is made faster
        lambda share, factor: 1 / (1 - share + factor),
    ],
    "08-3": [starts_at_a_25th, falls_from_the_middle, stays_at_the_peak, falls_too_fast, falls_too_late],
}
