"""The four verdicts on a difference, by the rules that were declared beforehand, and how they are said."""

from collections.abc import Sequence

import numpy as np

from labkit.stats.differences import Difference
from labkit.stats.intervals import t_interval
from labkit.stats.plan import Rules

EQUAL, SUPPORTED, CONTRADICTED, UNDECIDED = "practically equal", "supported", "contradicted", "undecided"


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted by Holm's method; NaN, for a test that could not be made, stays and counts as 1."""
    from statsmodels.stats.multitest import multipletests  # not above: its import takes two seconds

    known = np.isfinite(p_values)
    if not len(p_values):
        return []
    adjusted = multipletests(np.where(known, p_values, 1.0), method="holm")[1]
    return [float(p) for p in np.where(known, adjusted, np.nan)]


def judge(difference: Difference | None, adjusted_p: float, claimed: int, rules: Rules) -> str:
    """Return the verdict on the claim that a difference has this sign, by the rules in their order.

    Parameters
    ----------
    difference : Difference or None
        With the sampling of the images.
    adjusted_p : float
        For its family.
    claimed : {1, -1}
    rules : Rules
    """
    if difference is None or not difference.known:
        return UNDECIDED
    if difference.equivalence_p(rules.margin) < rules.alpha:
        return EQUAL
    if adjusted_p < rules.alpha:
        return SUPPORTED if difference.mean * claimed > 0 else CONTRADICTED
    return UNDECIDED


def judge_whole(verdicts: Sequence[str]) -> str:
    """Return the verdict on a claim that needs all of its comparisons to hold.

    One that is contradicted contradicts the claim: Holm's method has allowed for their number. Otherwise all must
    have the same verdict, or the claim as a whole is undecided.
    """
    if CONTRADICTED in verdicts:
        return CONTRADICTED
    return verdicts[0] if len(set(verdicts)) == 1 else UNDECIDED


def seed_words(n: int) -> str:
    """Return a number of seeds in words: `no seeds`, `1 seed`, `2 seeds`."""
    return "no seeds" if n == 0 else "1 seed" if n == 1 else f"{n} seeds"


def p_words(p_value: float) -> str:
    """Return a p-value with three decimals, a very small one as `< 0.001`, none as a dash."""
    return "–" if np.isnan(p_value) else "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def interval_words(values: Sequence[float]) -> str:
    """Return mean and 95% interval of accuracies in words, in percent."""
    found = t_interval(values)
    if found.n < 2:
        return f"{100 * found.mean:.2f}% (1 seed, no interval)"
    return f"{100 * found.mean:.2f}%, {100 * found.low:.2f} to {100 * found.high:.2f} ({seed_words(found.n)})"
