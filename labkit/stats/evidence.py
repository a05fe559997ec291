"""What a sweep says about comparisons of two runs: measured, and judged together as a family."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from labkit.runs.registry import ten_runs
from labkit.stats.claims import Comparison
from labkit.stats.differences import (
    Difference,
    Improvement,
    difference_over_seeds,
    probability_of_improvement,
    with_images,
)
from labkit.stats.plan import epochs_of, planned_seeds, read_rules, recipe, state
from labkit.stats.sweeps import SeedResult, accuracies, last_epochs, sweep_table
from labkit.stats.variance import image_bound, image_parts
from labkit.stats.verdicts import CONTRADICTED, EQUAL, SUPPORTED, UNDECIDED, holm, judge, judge_whole, seed_words


@dataclass(frozen=True)
class Evidence:
    """What a sweep says about one comparison of two runs.

    Attributes
    ----------
    over_seeds, with_images : Difference or None
        Of the second run less the first, for these test images, and for images like these; None without seeds.
    improvement : Improvement or None
    bounded : bool
        Whether what the images add is an upper bound, for lack of predictions.
    published : float or None
        The same difference as published, from one run each.
    adjusted_p : float
        The p-value of `with_images`, by Holm's method within the family; NaN where there is none.
    verdict : str
        `supported`, `contradicted`, `practically equal` or `undecided`.
    interim : bool
        Whether the plan has more seeds of the two runs than there are: the verdict may change.
    """

    comparison: Comparison
    over_seeds: Difference | None
    with_images: Difference | None
    improvement: Improvement | None
    bounded: bool
    published: float | None
    adjusted_p: float = float("nan")
    verdict: str = UNDECIDED
    interim: bool = False

    @property
    def seeds(self) -> int:
        """The number of seeds, of the run that has fewer."""
        return 0 if self.over_seeds is None else min(self.over_seeds.n)

    @property
    def verdict_so_far(self) -> str:
        """The verdict, and whether it is interim."""
        return self.verdict + (", interim" if self.interim else "")


@dataclass(frozen=True)
class _Side:
    """One of the two runs of a comparison: its values by seed, and how much of its predictions there is.

    Attributes
    ----------
    values, test, train : Series
        By seed: what is compared, and the accuracies on the test and on the training images (NaN where only the test
        accuracy is compared).
    right : dict of float64 arrays, shape (images,)
        By seed: 1 for each test image that is classified correctly, else 0.
    """

    values: "pd.Series[float]"
    test: "pd.Series[float]"
    train: "pd.Series[float]"
    right: Mapping[int, NDArray[np.float64]]

    def at(self, seeds: "pd.Index[int]") -> "_Side":
        """Return the same for some seeds only."""
        return replace(self, values=self.values[seeds], test=self.test.reindex(seeds), train=self.train.reindex(seeds))

    def matrix(self) -> NDArray[np.float64] | None:
        """Return 1 for each image that is right, by seed and image; None where a seed lacks its predictions."""
        seeds = list(self.values.index)
        return np.stack([self.right[s] for s in seeds]) if all(s in self.right for s in seeds) else None


def weigh(
    results: Sequence[SeedResult],
    family: Sequence[Comparison],
    labels: NDArray[np.uint8],
    epochs: Mapping[int, int] | None = None,
) -> list[Evidence]:
    """Judge a family of comparisons by the rules of the plan.

    Parameters
    ----------
    results : sequence of SeedResult
    family : sequence of Comparison
        Whose p-values are adjusted together. One without seeds counts as p = 1: it is still a member.
    labels : uint8 array, shape (images,)
        The true classes of the test images.
    epochs : mapping of int to int, optional
        For a sweep of one's own: after how many of its epochs a run of 5 or 20 is read. The plan's numbers of seeds
        are not for it: nothing is interim.
    """
    rules = read_rules()
    table = sweep_table(results)
    measured = [_measure(results, table, comparison, labels, epochs or {}) for comparison in family]
    adjusted = holm([e.with_images.p_value if e.with_images else float("nan") for e in measured])
    return [
        replace(
            e,
            adjusted_p=p,
            verdict=judge(e.with_images, p, e.comparison.claimed, rules),
            interim=epochs is None and _lacks_seeds(e),
        )
        for e, p in zip(measured, adjusted, strict=True)
    ]


def judge_all(evidence: Sequence[Evidence]) -> str:
    """Return the verdict on a claim that needs all of its comparisons to hold, and how many have which verdict."""
    verdicts = [e.verdict for e in evidence]
    counts = ", ".join(f"{verdicts.count(v)} {v}" for v in (SUPPORTED, CONTRADICTED, EQUAL, UNDECIDED) if v in verdicts)
    so_far = ", interim" if any(e.interim for e in evidence) else ""
    return f"{judge_whole(verdicts)}{so_far} ({counts}; {seed_words(min(e.seeds for e in evidence))} or more)"


def _lacks_seeds(e: Evidence) -> bool:
    planned = [planned_seeds(run) for run in (e.comparison.first, e.comparison.second)]
    if e.comparison.paired:
        planned = [min(planned)] * 2
    there = e.over_seeds.n if e.over_seeds else (0, 0)
    return any(state(n, p) != "complete" for n, p in zip(there, planned, strict=True))


def _measure(
    results: Sequence[SeedResult],
    table: pd.DataFrame,
    comparison: Comparison,
    labels: NDArray[np.uint8],
    epochs: Mapping[int, int],
) -> Evidence:
    """Compare two runs over their seeds, without a verdict: that takes the family."""
    first, second = (
        _side(results, table, run, epochs.get(epochs_of(run), epochs_of(run)), labels, comparison.of)
        for run in (comparison.first, comparison.second)
    )
    if comparison.paired:
        shared = first.values.index.intersection(second.values.index)
        first, second = first.at(shared), second.at(shared)
    published = _published(comparison)
    if first.values.empty or second.values.empty:
        return Evidence(comparison, None, None, None, False, published)
    between, mistakes, bounded = 0.0, 0.0, False
    if comparison.of != "train":
        between, mistakes, bounded = _test_images(first, second, comparison.paired, len(labels))
    if comparison.of != "test":  # predictions on training images are not kept
        images = int(next(r for r in results if recipe(r.run) == recipe(comparison.first)).settings["train_images"])
        between, bounded = between + image_bound(first.train.mean(), second.train.mean(), images), True
    over_seeds = difference_over_seeds(first.values, second.values, comparison.paired)
    both = with_images(over_seeds, between, mistakes)
    improvement = probability_of_improvement(first.values, second.values, comparison.paired)
    return Evidence(comparison, over_seeds, both, improvement, bounded, published)


def _side(
    results: Sequence[SeedResult],
    table: pd.DataFrame,
    run: str,
    epoch: int,
    labels: NDArray[np.uint8],
    of: Literal["test", "train", "gap"],
) -> _Side:
    test = accuracies(table, run, epoch)
    ends = last_epochs(table, run) if of != "test" else pd.DataFrame({"train": np.nan}, index=test.index)
    right = {
        r.seed: (predicted == labels).astype(np.float64)
        for r in results
        if recipe(r.run) == recipe(run) and (predicted := r.predictions_by_epoch.get(epoch)) is not None
    }
    return _Side(test if of == "test" else ends[of], test, ends["train"], right)


def _test_images(first: _Side, second: _Side, paired: bool, images: int) -> tuple[float, float, bool]:
    """Return what `image_parts` does of the test images, or their bound, and whether it is the bound."""
    of_first, of_second = first.matrix(), second.matrix()
    if of_first is None or of_second is None:
        return image_bound(first.test.mean(), second.test.mean(), images), 0.0, True
    return *image_parts([of_second - of_first] if paired else [of_first, of_second]), False


def _published(comparison: Comparison) -> float | None:
    first, second = (ten_runs().get(run) for run in (comparison.first, comparison.second))
    if comparison.of != "test" or first is None or second is None:
        return None
    return second.published.accuracy - first.published.accuracy
