"""The evidence of the series: every run of `data/reference/evidence/plan.json`, seed by seed, under one condition.

`python -m labkit.sweep.evidence OUT` trains what is not done yet and puts it beside the plan, in a compact form; a
second call goes on. Names of runs behind OUT limit it to those. The plan was written before the first run.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labkit.base.errors import LabError, unknown
from labkit.base.files import make_folder, save_arrays, write_text
from labkit.base.paths import evidence_dir
from labkit.data.mnist import ImageSet, load_mnist
from labkit.runs.frameworks import framework
from labkit.runs.records import Record, make_record, test_as_trained
from labkit.stats.plan import read_plan
from labkit.stats.sweeps import SeedResult, read_compact, read_sweep, reference_sweep
from labkit.sweep.cluster import run_jobs
from labkit.sweep.jobs import is_finished, write_job

THREADS = 1


@dataclass(frozen=True)
class EvidenceJob:
    """One network of the plan with one seed.

    Attributes
    ----------
    test_after : tuple of int
        The epochs after which the predictions on the test images are kept, upwards; training ends with the last.
    """

    run: str
    framework: str
    network: str
    activation: str
    learning_rate: float
    momentum: float
    batch_size: int
    test_after: tuple[int, ...]
    seed: int

    @property
    def name(self) -> str:
        """The name of the job's files."""
        return f"{self.run}-seed-{self.seed:04d}"


def planned_jobs(plan: Mapping[str, Any]) -> list[EvidenceJob]:
    """Return the jobs of a plan, stage by stage; within a stage all runs of a seed before the next seed."""
    jobs = []
    for stage in plan["stages"]:
        settings = {**plan["settings"], "test_after": tuple(stage["test_after"])}
        for seed in range(stage["first_seed"], stage["first_seed"] + stage["seeds"]):
            for run in stage["runs"]:
                recipe = {**settings, **plan["runs"][run]}
                jobs.append(EvidenceJob(run, **recipe, momentum=plan["momentum"][recipe["framework"]], seed=seed))
    return jobs


def train_job(job: EvidenceJob, data: ImageSet | None = None) -> tuple[Record, dict[str, NDArray[np.uint8]]]:
    """Train a network and test it; to be called in a process of its own, held to one thread.

    Training stops at each epoch of `test_after` and goes on from its saved state, bit for bit as without the stop.

    Returns
    -------
    record : Record
        With `train`: the network tested in evaluation mode on the images that it was trained on.
    predictions : dict of uint8 arrays, shape (test images,)
        The predicted classes, as `epoch_5`, `epoch_20`.
    """
    data = data or load_mnist()
    used = framework(job.framework)
    network = used.build(job.network, job.activation, job.seed)
    settings = {name: getattr(job, name) for name in ("learning_rate", "momentum", "batch_size", "seed")}
    predictions = {}
    with tempfile.TemporaryDirectory() as states:
        for number, epochs in enumerate(job.test_after):
            history = used.fit(
                network, data, epochs=epochs, **settings, state_dir=states, resume=number > 0, progress=False
            )
            if len(history) < epochs:
                raise KeyboardInterrupt
            tested = test_as_trained(network, history, data.test_images, data.test_labels)
            predictions[f"epoch_{epochs}"] = tested.predictions
    on_train = test_as_trained(network, history, data.train_images, data.train_labels)
    record, _ = make_record(job.run, network, history, data, "full", train=on_train.score)
    return record, predictions


def train_evidence(out: Path, runs: Sequence[str] = ()) -> dict[str, str]:
    """Train the jobs of the plan, or of some of its runs, that are neither in `out` nor shipped.

    Returns
    -------
    dict of str to str
        The jobs that failed, with one line each.

    Raises
    ------
    LabError
        A run is not in the plan.
    """
    make_folder(out)
    plan = read_plan()
    for run in runs:
        if run not in plan["runs"]:
            raise unknown("run", run, plan["runs"])
    shipped = {(result.run, result.seed) for result in reference_sweep()}
    jobs = {job.name: job for job in planned_jobs(plan) if job.run in (runs or plan["runs"])}
    jobs = {name: job for name, job in jobs.items() if (job.run, job.seed) not in shipped}
    left = {name: job for name, job in jobs.items() if not is_finished(out, name)}

    def keep(name: str, result: tuple[Record, dict[str, NDArray[np.uint8]]]) -> None:
        record, predictions = result
        write_job(out, name, record, **predictions)

    return run_jobs(train_job, left, keep, threads=THREADS)


def ship_evidence(out: Path, target: Path) -> list[Path]:
    """Add the finished jobs of `out` to the compact form in `target`: for each run a JSON file and its predictions.

    A seed that is there already is left as it is.

    Returns
    -------
    list of Path
        The JSON files that were written.
    """
    written = []
    finished = read_sweep(out)
    for run in read_plan()["runs"]:
        path = target / f"{run}.json"
        shipped = read_compact(path) if path.exists() else []
        known = {result.seed for result in shipped}
        new = [result for result in finished if result.run == run and result.seed not in known]
        if not new:
            continue
        results = sorted([*shipped, *new], key=lambda result: result.seed)
        stacked = {
            f"epoch_{epoch}": np.stack([result.predictions_by_epoch[epoch] for result in results])
            for epoch in new[0].predictions_by_epoch
        }
        save_arrays(path.with_suffix(".npz"), **stacked)
        rows = ",\n".join(json.dumps(_seed_entry(result)) for result in results)
        head = json.dumps({"run": run, **new[0].settings})[:-1]
        write_text(path, f'{head}, "seeds": [\n{rows}\n]}}\n')
        written.append(path)
    return written


def _seed_entry(result: SeedResult) -> dict[str, Any]:
    """Return what the compact form says of one training; accuracies as they are, losses with six decimals."""
    return {
        "seed": result.seed,
        "test_accuracy": result.test_accuracy,
        "test_loss": [round(loss, 6) for loss in result.test_loss],
        "train_accuracy": result.train_accuracy,
        "train_loss": round(result.train_loss, 6),
        "seconds": round(result.seconds, 1),
        "threads": result.threads,
        "weights_sha256": result.weights_sha256,
        **result.made_on,
    }


def main() -> None:
    """Train what is left of the plan, in the folder that the command line names, and ship it."""
    parser = argparse.ArgumentParser(prog="labkit.sweep.evidence", description="Train what is left of the plan.")
    parser.add_argument("out", type=Path, help="folder of the trained networks; a second call goes on")
    parser.add_argument("runs", nargs="*", metavar="RUN", help="runs of the plan; all by default")
    given = parser.parse_args()
    for failed, problem in train_evidence(given.out, given.runs).items():
        print(f"{failed}: {problem}", file=sys.stderr)
    for path in ship_evidence(given.out, evidence_dir()):
        print(path)


if __name__ == "__main__":
    from labkit.sweep import evidence  # by this name its functions reach other processes; as __main__ they cannot

    try:
        evidence.main()
    except LabError as problem:
        print(f"labkit.sweep.evidence: {problem}", file=sys.stderr)
        sys.exit(2)
