"""Many seeds of many runs: independent jobs, one file per job, the same results from one process or from many."""

import hashlib
import itertools
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labkit.base.errors import LabError
from labkit.base.files import make_folder, save_arrays, write_text
from labkit.data.mnist import ImageSet, load_mnist
from labkit.runs.frameworks import framework
from labkit.runs.parameters import PARAMETERS, check_parameters
from labkit.runs.plans import Plan, make_plan
from labkit.runs.records import Record, make_record, test_as_trained
from labkit.runs.registry import find_run
from labkit.sweep.cluster import run_jobs, thread_variables

MOST_SEEDS = 10_000


@dataclass(frozen=True)
class TrainingJob:
    """One training of a sweep: a run of the registry with one seed and one set of settings.

    Attributes
    ----------
    threads : int
        On the CPU. It belongs to the job, because the last bits of a result depend on it.
    together : tuple of int
        The seeds that are trained with this one in one batched computation, itself among them; empty for
        a training alone. They share the random numbers of dropout, and so belong to the job as well.
    """

    run: str
    seed: int
    plan: Plan
    learning_rate: float
    momentum: float
    batch_size: int
    threads: int
    together: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """The name of the job's files: run, a short hash of all settings but the seed, seed."""
        settings = asdict(self)
        del settings["seed"], settings["plan"]["profile"]  # the profile is a label: images and epochs count
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
        return f"{self.run}-{digest[:8]}-seed-{self.seed:04d}"


@dataclass(frozen=True)
class SweepOutcome:
    """How a sweep ended: jobs that were done now, that were done before, and that failed (with one line each)."""

    done: int
    skipped: int
    failures: dict[str, str]


def parse_seeds(text: str) -> list[int]:
    """Read seeds as the command line takes them: `0-9`, `3`, `0-4,7`.

    Raises
    ------
    LabError
        The text is something else, or a seed is out of range.
    """
    seeds: set[int] = set()
    for part in text.split(","):
        first, dash, last = (side.strip() for side in part.partition("-"))
        numbers = [first, last] if dash else [first]
        if not all(number.isascii() and number.isdecimal() and len(number) <= 10 for number in numbers):
            raise LabError(f"seeds are {text!r}: valid are whole numbers and ranges, for instance 0-9 or 0-4,7")
        low, high = int(numbers[0]), int(numbers[-1])
        if low > high or high - low >= MOST_SEEDS:
            raise LabError(f"seeds are {text!r}: valid are ranges upwards of at most {MOST_SEEDS:,} seeds")
        PARAMETERS["seed"].check("seed", high)
        seeds.update(range(low, high + 1))
    return sorted(seeds)


def training_jobs(
    run_ids: Sequence[str],
    seeds: Sequence[int],
    *,
    profile: str = "auto",
    epochs: int | None = None,
    train_images: int | None = None,
    settings: Mapping[str, Sequence[Any]] | None = None,
    threads: int = 1,
    replicas: int = 1,
) -> list[TrainingJob]:
    """Return the jobs run x seed x settings, all runs of a seed before the next seed.

    Parameters
    ----------
    profile : {"auto", "quick", "full"}
    epochs, train_images : int, optional
        Instead of those of the profile.
    settings : mapping of str to values, optional
        `learning_rate` and `batch_size`, each with one or more values: every combination is a job.
    threads : int
        Threads of a job on the CPU.
    replicas : int
        How many seeds of a PyTorch run are trained together by `fit_many`, which pays where one
        network does not fill the device. Keras runs are trained alone.

    Raises
    ------
    LabError
        A run is unknown or a setting not valid.
    """
    known = [find_run(run_id) for run_id in run_ids]
    given = dict(settings or {})
    for name, values in given.items():
        for value in values:
            check_parameters({name: value}, {"learning_rate": None, "batch_size": None})
    combinations = [dict(zip(given, values, strict=True)) for values in itertools.product(*given.values())]
    plans = {run.id: make_plan(profile, run.epochs, epochs, train_images) for run in known}
    groups = {
        seed: tuple(seeds[i : i + replicas]) for i in range(0, len(seeds), replicas) for seed in seeds[i : i + replicas]
    }
    jobs = [
        TrainingJob(
            run.id,
            seed,
            plans[run.id],
            float(chosen.get("learning_rate", run.optimizer.learning_rate)),
            run.optimizer.momentum,
            int(chosen.get("batch_size", run.batch_size)),
            threads,
            groups[seed] if replicas > 1 and run.framework == "torch" else (),
        )
        for seed in seeds
        for run in known
        for chosen in combinations
    ]
    return list(dict.fromkeys(jobs))  # a run or a value that is given twice is one


@cache
def _mnist() -> ImageSet:
    return load_mnist()  # once, where several jobs run in one process


def train_jobs(jobs: Sequence[TrainingJob]) -> list[tuple[Record, NDArray[np.uint8]]]:
    """Train one job, or several that differ in nothing but the seed together, and test them; what a worker does.

    Returns
    -------
    list of (record, predictions)
        One per job. The record has `train` as well: the network tested in evaluation mode on the images that it
        was trained on. The predictions are the predicted classes, uint8, shape (test images,).
    """
    first = jobs[0]
    run = find_run(first.run)
    data = first.plan.images(_mnist())
    settings: dict[str, Any] = {name: getattr(first, name) for name in ("learning_rate", "momentum", "batch_size")}
    settings["epochs"] = first.plan.epochs
    with _threads(run.framework, first.threads):
        used = framework(run.framework)
        trained = [used.build(run.network, run.activation, job.seed) for job in jobs]
        if first.together:
            histories = used.fit_many(trained, data, seeds=[job.seed for job in jobs], **settings)
        else:
            histories = [used.fit(trained[0], data, seed=first.seed, progress=False, **settings)]
        if len(histories[0]) < first.plan.epochs:
            raise KeyboardInterrupt  # `fit` keeps what is finished; a sweep keeps whole jobs only
        results = []
        for job, network, history in zip(jobs, trained, histories, strict=True):
            on_train = test_as_trained(network, history, data.train_images, data.train_labels)
            more = {"train": on_train.score, "together": job.together}
            record, test = make_record(run.id, network, history, data, job.plan.profile, **more)
            results.append((record, test.predictions))
    return results


@contextmanager
def _threads(name: str, threads: int) -> Iterator[None]:
    """Hold a framework to a number of threads. PyTorch gets its own back; a TensorFlow that runs cannot change it."""
    if name == "torch":
        import torch

        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)
        return
    wanted = {k: v for k, v in thread_variables(threads).items() if k.startswith("TF_")}
    if "tensorflow" in sys.modules and any(os.environ.get(name) != value for name, value in wanted.items()):
        raise LabError(f"this process runs TensorFlow with another number of threads than {threads}: start a new one")
    os.environ.update(wanted)
    yield


def sweep_runs(
    jobs: Sequence[TrainingJob], out: Path, *, scheduler: str | None = None, workers: int | None = None
) -> SweepOutcome:
    """Train the jobs that are not finished yet; write `out/<job>.json` and `out/<job>.npz` for each.

    All jobs have the same number of threads; `scheduler` and `workers` are as `run_jobs` takes them.

    Raises
    ------
    LabError
        The folder cannot be written, or the scheduler is out of reach.
    """
    make_folder(out)
    groups: dict[str, list[TrainingJob]] = {}
    for job in jobs:
        groups.setdefault(replace(job, seed=min(job.together, default=job.seed)).name, []).append(job)
    unfinished = {name: group for name, group in groups.items() if not all(is_finished(out, job.name) for job in group)}

    def keep(name: str, results: list[tuple[Record, NDArray[np.uint8]]]) -> None:
        for job, (record, predictions) in zip(unfinished[name], results, strict=True):
            write_job(out, job.name, record, predictions=predictions)

    threads = max((job.threads for job in jobs), default=1)
    failures = run_jobs(train_jobs, unfinished, keep, scheduler=scheduler, workers=workers, threads=threads)
    tried = sum(len(group) for group in unfinished.values())
    failed = {job.name: problem for name, problem in failures.items() for job in unfinished[name]}
    return SweepOutcome(tried - len(failed), len(jobs) - tried, failed)


def is_finished(out: Path, name: str) -> bool:
    """Tell whether a job's files are there. The JSON is written last, and each appears whole or not at all."""
    return (out / f"{name}.json").exists() and (out / f"{name}.npz").exists()


def write_job(out: Path, name: str, record: Record, **predictions: NDArray[np.uint8]) -> None:
    """Write the two files of a finished job, as `is_finished` looks for them."""
    save_arrays(out / f"{name}.npz", **predictions)
    write_text(out / f"{name}.json", json.dumps({"job": name, **record.to_dict()}, indent=1) + "\n")
