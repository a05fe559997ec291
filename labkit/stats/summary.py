"""Gather the results of a run for the summary: beside the published ones, with deviations and claims."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from labkit.base.errors import LabError
from labkit.base.paths import reference_dir
from labkit.data.mnist import MNIST
from labkit.runs.records import Record, load_probabilities, load_records, reference_records
from labkit.runs.registry import ten_runs
from labkit.stats.claims import CLAIMS, Claim, Comparison
from labkit.stats.counts import TEST_IMAGES, difference_error
from labkit.stats.mistakes import right_in_one_only


@dataclass(frozen=True)
class Results:
    """The results that a summary is about.

    Attributes
    ----------
    records : dict of str to record
        Of those of the ten runs that are there, in the order of the report.
    beyond : dict of str to record
        Of experiments beyond the report.
    probabilities : dict of str to float32 array, shape (10,000, 10)
        Of the test images, for the runs of `records` that stored them.
    labels : uint8 array, shape (10,000,)
        The true classes of the test images.
    is_reference : bool
        Whether this is the shipped reference run.
    """

    records: dict[str, Record]
    beyond: dict[str, Record]
    probabilities: dict[str, NDArray[np.float32]]
    labels: NDArray[np.uint8]
    is_reference: bool

    @property
    def label(self) -> str:
        """The run in words, for titles and column heads; a quick run is called one."""
        profiles = sorted({record.profile for record in self.records.values()})
        name = "reference" if self.is_reference else "this run"
        return name if profiles == ["full"] else f"{name} ({', '.join(profiles)})"

    def scale(self, run_id: str) -> str:
        """Return what was run of a run: images, epochs and profile."""
        return str(self.records[run_id])

    def __str__(self) -> str:
        if self.is_reference:
            return f"no results of your own yet: {len(self.records)} of the ten runs, from the shipped reference run"
        missing = [run_id for run_id in ten_runs() if run_id not in self.records]
        rest = f"; not run: {', '.join(missing)}" if missing else ""
        return f"{len(self.records)} of the ten runs, {self.label}{rest}"


def collect(out: Path, labels: NDArray[np.uint8], dataset: str = MNIST) -> Results:
    """Collect the results under `out`; where none of the ten runs is there, those of the shipped reference run.

    Parameters
    ----------
    out : Path
        Holds `results/` and `predictions/`.
    labels : uint8 array, shape (10,000,)
        The true classes of the test images.
    dataset : str
        What the notebooks take as `dataset`: the data set of the labels.

    Raises
    ------
    LabError
        A result cannot be read or belongs to another data set, there are none at all, or none has its
        per-image probabilities beside it.
    """
    found = load_records(out)
    for run_id, record in found.items():
        if record.dataset != Path(dataset).name:
            raise LabError(
                f"{out / 'results'}: {run_id} was trained on {record.dataset}: valid is -p dataset with that set"
            )
    own = any(run_id in found for run_id in ten_runs())
    if not own and dataset != MNIST:
        raise LabError(f"{out / 'results'}: no results on {Path(dataset).name}: run another notebook with it first")
    folder = out if own else reference_dir()
    records = found if own else reference_records()
    ten = {run_id: records[run_id] for run_id in ten_runs() if run_id in records}
    stored = {run_id: load_probabilities(folder, run_id) for run_id in ten}
    probabilities = {run_id: p for run_id, p in stored.items() if p is not None}
    if not ten:
        raise LabError(f"{out / 'results'}: no results, and no reference run is shipped: run another notebook first")
    if not probabilities:
        raise LabError(f"{folder / 'predictions'}: no per-image probabilities: run the notebooks of the ten runs again")
    beyond = {run_id: record for run_id, record in records.items() if run_id not in ten_runs()}
    return Results(ten, beyond, probabilities, labels, not own)


def deviation_table(results: Results) -> pd.DataFrame:
    """Compare the numbers of correct test images with the published ones.

    Returns
    -------
    DataFrame
        Indexed by run, texts. A deviation is given in images and, in brackets, in standard errors of the
        difference of two results on independent sets of 10,000 images.
    """
    sources = {"reference": reference_records()}
    if not results.is_reference:
        sources[results.label] = results.records
    rows = {}
    for run_id, run in ten_runs().items():
        correct = {label: records[run_id].test.correct for label, records in sources.items() if run_id in records}
        row = {"published": f"{run.published.correct:,}"}
        row |= {label: f"{correct[label]:,}" if label in correct else "–" for label in sources}
        for label in sources:
            found = label in correct
            row[f"{label} − published"] = _deviation(correct[label], run.published.correct) if found else "–"
        row["scale"] = str(results.records.get(run_id, "not run"))
        rows[run_id] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("correct test images of 10,000")


def cost_table(records: Mapping[str, Record]) -> pd.DataFrame:
    """Compare parameters, training time and accuracy of runs.

    Returns
    -------
    DataFrame
        Indexed by run: parameters, seconds of training (on the device of the record, evaluation not
        counted), test accuracy in percent, what was run, and the device.
    """
    rows = {
        run_id: {
            "parameters": record.params,
            "seconds": record.seconds,
            "accuracy (%)": round(100 * record.test.accuracy, 2),
            "scale": str(record),
            "device": record.device,
        }
        for run_id, record in records.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("run")


def claims_table(results: Results) -> str:
    """Return the claims of the report as a Markdown table: claim, numbers, what one run can and cannot show.

    A number is the difference in correct test images of two runs. Behind ± stands its standard error
    on these images: the square root of the number of images that only one of the two gets right.
    """
    lines = ["| claim of the report | the numbers, in images of 10,000 | one run can show | one run cannot show |"]
    lines.append("|---|---|---|---|")
    for claim in CLAIMS:
        numbers = "<br>".join(_numbers(comparison, results) for comparison in claim.comparisons)
        numbers += f"<br>**{results.label}: {claim_verdict(claim, results)}**"
        lines.append(f"| {claim.text} | {numbers} | {claim.can} | {claim.cannot} |")
    return "\n".join(lines)


def claim_verdict(claim: Claim, results: Results) -> str:
    """Say for how many of a claim's comparisons the results point the way of the report, and how clearly.

    A difference counts as clear from two standard errors on.
    """
    same = clear = seen = 0
    for comparison in claim.comparisons:
        difference = _difference(comparison, results.records)
        if difference is None:
            continue
        seen += 1
        same += difference * comparison.claimed > 0
        error = _error(comparison, results)
        clear += error is not None and difference * comparison.claimed > 2 * error
    if seen == 0:
        return "not run"
    return f"{same} of {seen} differences point the way of the report, {clear} of them by more than 2 standard errors"


def _numbers(comparison: Comparison, results: Results) -> str:
    published = ten_runs()[comparison.second].published.correct - ten_runs()[comparison.first].published.correct
    parts = [f"published {published:+d}"]
    if not results.is_reference:
        reference = _difference(comparison, reference_records())
        parts += [] if reference is None else [f"reference {reference:+d}"]
    ours, error = _difference(comparison, results.records), _error(comparison, results)
    spread = "" if error is None else f" ± {error:.0f}"
    parts.append("not run" if ours is None else f"{results.label} {ours:+d}{spread}")
    return f"{comparison.words}: {', '.join(parts)}"


def _difference(comparison: Comparison, records: Mapping[str, Record]) -> int | None:
    if comparison.first not in records or comparison.second not in records:
        return None
    return records[comparison.second].test.correct - records[comparison.first].test.correct


def _error(comparison: Comparison, results: Results) -> float | None:
    first, second = (results.probabilities.get(run_id) for run_id in (comparison.first, comparison.second))
    if first is None or second is None:
        return None
    return sqrt(sum(right_in_one_only(first, second, results.labels)))


def _deviation(correct: int, published: int) -> str:
    error = difference_error(correct, published, TEST_IMAGES)
    return f"{correct - published:+d} ({(correct - published) / error:+.1f})"
