"""The report's claims against a sweep: what many seeds say, and a verdict in words computed from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from labkit.runs.registry import find_run
from labkit.stats.claims import Comparison
from labkit.stats.intervals import t_interval
from labkit.stats.paired_tests import PairedDifference, paired_difference
from labkit.stats.sweeps import accuracies

SUPPORTED, NOT_SUPPORTED, NOT_DECIDABLE = "supported", "not supported", "not decidable"


@dataclass(frozen=True)
class Evidence:
    """What a sweep says about one comparison of two runs.

    Attributes
    ----------
    difference : PairedDifference or None
        Test accuracy of the second run less that of the first, over the seeds that both have; None for
        no such seed.
    published : float
        The same difference as published, from one run each.
    verdict : str
        `supported`, `not supported` or `not decidable`.
    """

    comparison: Comparison
    difference: PairedDifference | None
    published: float
    verdict: str

    @property
    def seeds(self) -> int:
        """The number of seeds that both runs have."""
        return 0 if self.difference is None else self.difference.n


def weigh(table: pd.DataFrame, comparison: Comparison, epochs: Mapping[int, int] | None = None) -> Evidence:
    """Compare two runs over the seeds that a sweep has of both.

    Parameters
    ----------
    table : DataFrame
        From `sweep_table`.
    comparison : Comparison
    epochs : mapping of int to int, optional
        For a sweep at another scale: after how many of its epochs a run of 5 or 20 is read.
    """
    runs = [find_run(comparison.first), find_run(comparison.second)]
    scale = epochs or {}
    difference = difference_over_seeds(*(accuracies(table, run.id, scale.get(run.epochs)) for run in runs))
    published = runs[1].published.accuracy - runs[0].published.accuracy
    return Evidence(comparison, difference, published, judge(difference, comparison.claimed))


def difference_over_seeds(first: "pd.Series[float]", second: "pd.Series[float]") -> PairedDifference | None:
    """Compare two series, indexed by seed, over the seeds that both have; None where there is no such seed."""
    seeds = first.index.intersection(second.index)
    return paired_difference(first[seeds], second[seeds]) if len(seeds) else None


def judge(difference: PairedDifference | None, claimed: int) -> str:
    """Turn an interval into a verdict on the claim that a difference has this sign.

    Parameters
    ----------
    difference : PairedDifference or None
    claimed : {1, -1}

    Returns
    -------
    str
        `supported`: the whole 95% interval has the claimed sign. `not supported`: all of it has the
        other one. Else, or without an interval: `not decidable`.
    """
    if difference is None or not np.isfinite(difference.low):
        return NOT_DECIDABLE
    low, high = sorted((claimed * difference.low, claimed * difference.high))
    if low > 0:
        return SUPPORTED
    return NOT_SUPPORTED if high < 0 else NOT_DECIDABLE


def judge_all(evidence: Sequence[Evidence]) -> str:
    """Return the verdict on a claim that needs all of its comparisons to hold, in a sentence.

    One comparison that points the other way refutes it; otherwise one that cannot be decided leaves the
    whole undecided.
    """
    verdicts = [e.verdict for e in evidence]
    count = seed_words(min(e.seeds for e in evidence))
    if NOT_SUPPORTED in verdicts:
        return f"not supported: {verdicts.count(NOT_SUPPORTED)} of {len(verdicts)} comparisons point the other way"
    if NOT_DECIDABLE in verdicts:
        open_ones = f"{verdicts.count(NOT_DECIDABLE)} of {len(verdicts)} comparisons"
        return f"not decidable with so many seeds ({count} or more): {open_ones} could go either way"
    return f"supported: every comparison has the claimed sign ({count} or more)"


def seed_words(n: int) -> str:
    """Return a number of seeds in words: `no seeds`, `1 seed`, `2 seeds`."""
    return "no seeds" if n == 0 else "1 seed" if n == 1 else f"{n} seeds"


def p_words(p_value: float) -> str:
    """Return a p-value with three decimals, and a very small one as `< 0.001`."""
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def interval_words(values: Sequence[float]) -> str:
    """Return mean and 95% interval of accuracies in words, in percent."""
    found = t_interval(values)
    if found.n < 2:
        return f"{100 * found.mean:.2f}% (1 seed, no interval)"
    return f"{100 * found.mean:.2f}%, {100 * found.low:.2f} to {100 * found.high:.2f} ({seed_words(found.n)})"
