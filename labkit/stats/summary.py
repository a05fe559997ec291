"""Gather the results of a run for the summary."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labkit.base.errors import LabError
from labkit.base.paths import reference_dir
from labkit.data.mnist import MNIST
from labkit.runs.records import Record, load_probabilities, load_records, reference_records
from labkit.runs.registry import ten_runs


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
        A result cannot be read or belongs to another data set, there are none on this data set, or none has its
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
    if not probabilities:
        raise LabError(f"{folder / 'predictions'}: no per-image probabilities: run the notebooks of the ten runs again")
    beyond = {run_id: record for run_id, record in records.items() if run_id not in ten_runs()}
    return Results(ten, beyond, probabilities, labels, not own)
