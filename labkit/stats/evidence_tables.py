"""What many seeds say about the report, as tables of texts: its claims, and whether it reproduced."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from labkit.runs.registry import ten_runs
from labkit.stats.counts import TEST_IMAGES
from labkit.stats.differences import Difference
from labkit.stats.evidence import Evidence
from labkit.stats.intervals import prediction_interval, seeds_needed, t_interval
from labkit.stats.paired_tests import mcnemar
from labkit.stats.plan import planned_seeds, read_rules, state
from labkit.stats.sweeps import SeedResult, accuracies
from labkit.stats.verdicts import p_words

NOTHING = "–"


def evidence_table(evidence: Sequence[Evidence]) -> pd.DataFrame:
    """Return differences in images of 10,000, with both 95% intervals, both tests and the verdict.

    The second interval is `at widest` where what the images add to it is an upper bound. `p (Holm)` is the p-value of
    no difference, adjusted within the family; `p (equal)` is that of the two one-sided tests of the margin.
    """
    margin = read_rules().margin
    rows = {}
    for e in evidence:
        rows[e.comparison.words] = {
            "published": NOTHING if e.published is None else f"{TEST_IMAGES * e.published:+.0f}",
            "claimed": "more" if e.comparison.claimed > 0 else "less",
            "seeds": seeds_of(e.over_seeds, e.comparison.paired),
            "mean": f"{TEST_IMAGES * e.over_seeds.mean:+.1f}" if e.over_seeds else NOTHING,
            "over seeds": interval_of(e.over_seeds),
            "over seeds and images": interval_of(e.with_images) + (" (at widest)" if e.bounded else ""),
            "p (Holm)": p_words(e.adjusted_p),
            "p (equal)": p_words(e.with_images.equivalence_p(margin)) if e.with_images else NOTHING,
            "verdict": e.verdict_so_far,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("difference in images of 10,000")


def interval_of(difference: Difference | None) -> str:
    """Return a 95% interval in images of 10,000."""
    if difference is None or not difference.known:
        return NOTHING
    return f"{TEST_IMAGES * difference.low:+.1f} to {TEST_IMAGES * difference.high:+.1f}"


def seeds_of(difference: Difference | None, paired: bool) -> str:
    """Return the seeds of a difference: pairs, or those of the first and of the second."""
    if difference is None:
        return "0"
    return f"{difference.n[0]} pairs" if paired else f"{difference.n[0]} and {difference.n[1]}"


def improvement_table(evidence: Sequence[Evidence]) -> pd.DataFrame:
    """Return in what share of pairs of runs the second is better, with its 95% interval over seeds."""
    rows = {}
    for e in evidence:
        found = e.improvement
        bounded = found is not None and np.isfinite(found.low)
        rows[e.comparison.words] = {
            "seeds": seeds_of(e.over_seeds, e.comparison.paired),
            "second better": f"{found.share:.0%}" if found else NOTHING,
            "95% interval": f"{found.low:.0%} to {found.high:.0%}" if found and bounded else NOTHING,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("share of pairs of runs")


def reproduction_table(table: pd.DataFrame) -> pd.DataFrame:
    """Answer for each of the ten published runs: could one more run have given the published number?

    Parameters
    ----------
    table : DataFrame
        From `sweep_table`.

    Returns
    -------
    DataFrame
        Texts, by run: accuracies in percent; the mean over seeds with its 95% interval, the 95% prediction interval
        of one more run, and where the published number lies: z counts standard deviations of one more run.
    """
    rows = {}
    for run_id, run in ten_runs().items():
        values = accuracies(table, run_id)
        row = {"published (%)": f"{100 * run.published.accuracy:.2f}", "seeds": str(len(values))}
        row["state"] = state(len(values), planned_seeds(run_id))
        if len(values) < 2:
            rest = dict.fromkeys(("mean (%)", "95% interval", "one more run, 95%", "z", "published lies"), NOTHING)
        else:
            mean, more = t_interval(values), prediction_interval(values)
            inside = more.low <= run.published.accuracy <= more.high
            rest = {
                "mean (%)": f"{100 * mean.mean:.2f}",
                "95% interval": f"{100 * mean.low:.2f} to {100 * mean.high:.2f}",
                "one more run, 95%": f"{100 * more.low:.2f} to {100 * more.high:.2f}",
                "z": f"{(run.published.accuracy - more.mean) / more.deviation:+.2f}" if more.deviation else NOTHING,
                "published lies": "inside" if inside else "outside",
            }
        rows[run_id] = row | rest
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("run")


def seeds_needed_table(evidence: Sequence[Evidence]) -> pd.DataFrame:
    """Return how many pairs of seeds would show the published differences with a chance of 80%, were they true.

    For paired comparisons, and over seeds alone. The deviation over seeds is an estimate itself: the last column gives
    the numbers that the ends of its 95% interval (chi-squared) lead to.
    """
    rows = {}
    for e in evidence:
        d = e.over_seeds
        known = e.comparison.paired and d is not None and d.known and d.error > 0 and bool(e.published)
        row = {"published difference": NOTHING if e.published is None else f"{TEST_IMAGES * e.published:+.0f}"}
        if known and d is not None and e.published is not None:
            low, high = d.deviation_interval()
            needed = [f"{seeds_needed(e.published, s):,}" for s in (d.deviation, low, high)]
            row |= {
                "deviation over seeds": f"{TEST_IMAGES * d.deviation:.1f}",
                "pairs there are": str(e.seeds),
                "pairs needed": needed[0],
                "95% range of that": f"{needed[1]} to {needed[2]}",
            }
        else:
            row |= dict.fromkeys(("deviation over seeds", "pairs needed", "95% range of that"), NOTHING)
            row["pairs there are"] = str(e.seeds)
        rows[e.comparison.words] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("images of 10,000")


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
        By seed: images that only the first, only the second gets right, and the p-value of the exact test.
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
