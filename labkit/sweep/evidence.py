"""The evidence of the series: every run of `data/reference/evidence/plan.json`, seed by seed, under one condition.

`python -m labkit.sweep.evidence OUT` trains what is not done yet; a second call goes on. The plan was written before
the first run.
"""

import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labkit.base.files import make_folder, save_arrays, write_text
from labkit.data.mnist import ImageSet, load_mnist
from labkit.runs.frameworks import framework
from labkit.runs.records import Record, make_record, test_as_trained
from labkit.stats.plan import read_plan
from labkit.sweep.cluster import run_jobs

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


def train_evidence(out: Path, workers: int = 2) -> dict[str, str]:
    """Train the jobs of the plan whose files are not in `out`; return those that failed, with one line each."""
    make_folder(out)
    jobs = {job.name: job for job in planned_jobs(read_plan())}
    left = {name: job for name, job in jobs.items() if not (out / f"{name}.json").exists()}

    def keep(name: str, result: tuple[Record, dict[str, NDArray[np.uint8]]]) -> None:
        record, predictions = result
        save_arrays(out / f"{name}.npz", **predictions)
        write_text(out / f"{name}.json", json.dumps(record.to_dict(), indent=1) + "\n")

    return run_jobs(train_job, left, keep, workers=workers, threads=THREADS)


if __name__ == "__main__":
    for failed, problem in train_evidence(Path(sys.argv[1])).items():
        print(f"{failed}: {problem}", file=sys.stderr)
