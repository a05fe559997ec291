"""What many seeds say about the claims of the report, as tables."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from labkit.stats.counts import TEST_IMAGES
from labkit.stats.intervals import seeds_needed
from labkit.stats.paired_tests import PairedDifference, mcnemar
from labkit.stats.sweeps import SeedResult, of_recipe
from labkit.stats.verdicts import Evidence, difference_over_seeds, judge, p_words, seed_words


def evidence_table(evidence: Sequence[Evidence]) -> pd.DataFrame:
    """Return evidence as texts to show: differences in images of 10,000, with their 95% intervals."""
    rows = {}
    for e in evidence:
        d = e.difference
        bounded = d is not None and np.isfinite(d.low)
        rows[e.comparison.words] = {
            "published": f"{TEST_IMAGES * e.published:+.0f}",
            "claimed": "better" if e.comparison.claimed > 0 else "worse",
            "seeds": str(e.seeds),
            "mean": f"{TEST_IMAGES * d.mean:+.1f}" if d else "–",
            "95% interval": f"{TEST_IMAGES * d.low:+.1f} to {TEST_IMAGES * d.high:+.1f}" if d and bounded else "–",
            "p": p_words(d.p_value) if d and bounded else "–",
            "verdict": e.verdict,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("difference in images of 10,000")


def seeds_needed_table(evidence: Sequence[Evidence]) -> pd.DataFrame:
    """Return how many seeds it would take to see the published differences with a chance of 80%, were they true.

    Parameters
    ----------
    evidence : sequence of Evidence
        Their deviations over seeds are taken from the sweep.
    """
    rows = {}
    for e in evidence:
        d = e.difference
        known = d is not None and np.isfinite(d.deviation) and d.deviation > 0 and e.published != 0
        rows[e.comparison.words] = {
            "published difference (images)": f"{TEST_IMAGES * e.published:+.0f}",
            "deviation over seeds (images)": f"{TEST_IMAGES * d.deviation:.1f}" if d and known else "–",
            "seeds in the sweep": str(e.seeds),
            "seeds needed": f"{seeds_needed(e.published, d.deviation):,}" if d and known else "–",
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("comparison")


def last_epochs(table: pd.DataFrame, run_id: str) -> pd.DataFrame:
    """Return train and test accuracy after the last epoch of a run, and their gap, by seed.

    Parameters
    ----------
    table : DataFrame
        From `sweep_table`.
    run_id : str
        Jobs of the same recipe count, whatever run they were started as.

    Returns
    -------
    DataFrame
        Columns `train`, `test`, `gap` (train less test), both in evaluation mode; empty without seeds.
    """
    rows = of_recipe(table, run_id).dropna(subset="train_accuracy").set_index("seed").sort_index()
    found = pd.DataFrame({"train": rows["train_accuracy"], "test": rows["accuracy"]})
    found["gap"] = found["train"] - found["test"]
    return found[~found.index.duplicated()]


def why_worse(table: pd.DataFrame, better: str, worse: str) -> tuple[pd.DataFrame, list[str]]:
    """Separate overfitting from under-fitting by the gap between training and test accuracy.

    A network that overfits does better than the other on the training images and loses that on the
    test images: its gap is larger. One that under-fits does worse on the training images already.

    Parameters
    ----------
    table : DataFrame
        From `sweep_table`.
    better, worse : str
        Run ids.

    Returns
    -------
    means : DataFrame
        Mean accuracies and gap of both, in percent.
    words : list of str
        The verdicts on overfitting and on under-fitting.
    """
    first, second = last_epochs(table, better), last_epochs(table, worse)
    means = pd.DataFrame({better: 100 * first.mean(), worse: 100 * second.mean()}).T.round(2)
    means.insert(0, "seeds", [len(first), len(second)])
    means.columns = ["seeds", "training accuracy (%)", "test accuracy (%)", "gap (points)"]
    gap, train = (difference_over_seeds(first[column], second[column]) for column in ("gap", "train"))
    words = [
        f"overfitting (its gap is larger): {judge(gap, 1)}{_points(gap)}",
        f"under-fitting (its training accuracy is lower): {judge(train, -1)}{_points(train)}",
    ]
    return means, words


def _points(difference: PairedDifference | None) -> str:
    if difference is None or not np.isfinite(difference.low):
        return f", {seed_words(0 if difference is None else difference.n)}"
    low, high = 100 * difference.low, 100 * difference.high
    return f"; difference {100 * difference.mean:+.2f} points, {low:+.2f} to {high:+.2f}, {seed_words(difference.n)}"


def mcnemar_table(results: Sequence[SeedResult], first: str, second: str, labels: NDArray[np.uint8]) -> pd.DataFrame:
    """Compare the two networks of every seed image by image.

    Parameters
    ----------
    results : sequence of SeedResult
    first, second : str
        Runs of the sweep.
    labels : uint8 array, shape (images,)
        The true classes of the test images.

    Returns
    -------
    DataFrame
        By seed: images that only the first, only the second gets right, and the p-value.
    """
    of_first, of_second = (
        {r.seed: r.predictions == labels for r in results if r.run == run} for run in (first, second)
    )
    rows = {}
    for seed in sorted(of_first.keys() & of_second.keys()):
        test = mcnemar(of_first[seed], of_second[seed])
        rows[seed] = [test.only_first, test.only_second, p_words(test.p_value)]
    columns = [f"only {first} right", f"only {second} right", "p"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("seed")
