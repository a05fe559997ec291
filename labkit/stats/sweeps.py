"""What came out of a sweep: read its folder, or the compact form that ships with the series, and make a table of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from labkit.base.errors import LabError
from labkit.base.files import load_arrays
from labkit.base.paths import evidence_dir
from labkit.runs.records import read_record
from labkit.stats.plan import epochs_of, read_plan, recipe

# What all seeds of a run must share to be put together, and what the compact form says once. The number of threads
# is not among them: it moves the last bits of a result, as another seed moves all of them.
SETTINGS = ("profile", "epochs", "train_images", "learning_rate", "momentum", "batch_size", "method")
# Those that decide the result after an epoch which all of them reach.
DECISIVE = tuple(name for name in SETTINGS if name not in ("profile", "epochs"))


@dataclass(frozen=True)
class SeedResult:
    """One training of a sweep.

    Attributes
    ----------
    settings : mapping
        The entries of `SETTINGS`.
    test_accuracy, test_loss : sequence of float
        After each epoch, on the test images.
    train_accuracy, train_loss : float
        After the last epoch, on the training images, in evaluation mode.
    made_on : mapping
        Device and versions.
    predictions : uint8 array, shape (test images,)
        The predicted classes after the last epoch.
    earlier : mapping of int to uint8 array
        The same after earlier epochs, where they were kept.
    """

    run: str
    seed: int
    settings: Mapping[str, Any]
    test_accuracy: Sequence[float]
    test_loss: Sequence[float]
    train_accuracy: float
    train_loss: float
    seconds: float
    threads: int
    weights_sha256: str
    made_on: Mapping[str, Any]
    predictions: NDArray[np.uint8]
    earlier: Mapping[int, NDArray[np.uint8]] = field(default_factory=dict)

    @property
    def predictions_by_epoch(self) -> dict[int, NDArray[np.uint8]]:
        """The predicted classes after each epoch for which they were kept, upwards."""
        return {**dict(sorted(self.earlier.items())), len(self.test_accuracy): self.predictions}


def read_sweep(folder: Path) -> list[SeedResult]:
    """Read the finished jobs of a folder of `labkit sweep` or of `labkit.sweep.evidence`, by run and seed.

    Raises
    ------
    LabError
        There is no such folder, or a job's file cannot be read.
    """
    if not folder.is_dir():
        raise LabError(f"{folder}: no such folder; `labkit sweep ... --out` makes it")
    results = []
    for path in sorted(folder.glob("*-seed-*.json")):
        record = read_record(path)
        if record.train is None:
            raise LabError(f"{path}: not a job of a sweep: it lacks 'train'")
        content = record.to_dict()
        last, earlier = _read_predictions(path, len(record.history))
        results.append(
            SeedResult(
                **{name: content[name] for name in ("run", "seed", "seconds", "threads", "weights_sha256")},
                settings={name: content[name] for name in SETTINGS},
                test_accuracy=[e.test_accuracy for e in record.history.epochs],
                test_loss=[e.test_loss for e in record.history.epochs],
                train_accuracy=record.train.accuracy,
                train_loss=record.train.loss,
                made_on={"device": record.device, "versions": record.versions},
                predictions=last,
                earlier=earlier,
            )
        )
    return sorted(results, key=lambda result: (result.run, result.seed))


def reference_sweep() -> list[SeedResult]:
    """Read the seeds that ship with the series, run by run in the order of their names; none there gives an empty list.

    Raises
    ------
    LabError
        A file cannot be read.
    """
    paths = (evidence_dir() / f"{run}.json" for run in sorted(read_plan()["runs"]))
    return [result for path in paths if path.exists() for result in read_compact(path)]


def read_compact(path: Path) -> list[SeedResult]:
    """Read the seeds of a run in the compact form in which they ship, in the order of the file.

    Raises
    ------
    LabError
        The file, or the one with its predictions, cannot be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        shared = {"run": content["run"], "settings": {name: content[name] for name in SETTINGS}}
        last, earlier = _read_predictions(path, content["epochs"])
        results = []
        for row, (entry, predicted) in enumerate(zip(content["seeds"], last, strict=True)):
            made_on = {name: entry.pop(name) for name in ("device", "versions")}
            before = {epoch: of_all[row] for epoch, of_all in earlier.items()}
            results.append(SeedResult(**shared, **entry, made_on=made_on, predictions=predicted, earlier=before))
    except (OSError, KeyError, IndexError, TypeError, ValueError, RecursionError) as problem:
        raise LabError(f"{path}: not a compact sweep: {problem}") from None
    return results


def _read_predictions(path: Path, epochs: int) -> tuple[NDArray[np.uint8], dict[int, NDArray[np.uint8]]]:
    """Return the predictions beside a JSON file of a sweep: after the last epoch, and by epoch after earlier ones.

    The last are called `predictions`, or `epoch_20` as the earlier ones are `epoch_5`.
    """
    fault = "missing or damaged: delete the .json beside it and sweep again"
    arrays = load_arrays(path.with_suffix(".npz"), fault)
    by_epoch = {int(name.removeprefix("epoch_")): a for name, a in arrays.items() if name.startswith("epoch_")}
    last = arrays.get("predictions", by_epoch.pop(epochs, None))
    if last is None:
        raise LabError(f"{path.with_suffix('.npz')}: {fault}")
    return last, by_epoch


def sweep_table(results: Sequence[SeedResult]) -> pd.DataFrame:
    """Return one row per epoch of every job.

    Returns
    -------
    DataFrame
        Columns `run`, `seed`, the `SETTINGS` (of which `epochs` is the job's last), `epoch`, `accuracy` and
        `loss` on the test images; `train_accuracy` and `train_loss` after the last epoch, NaN before.
    """
    rows: list[dict[str, Any]] = []
    for result in results:
        job = {"run": result.run, "seed": result.seed, **result.settings}
        for epoch, (accuracy, loss) in enumerate(zip(result.test_accuracy, result.test_loss, strict=True), 1):
            rows.append({**job, "epoch": epoch, "accuracy": accuracy, "loss": loss})
        rows[-1] |= {"train_accuracy": result.train_accuracy, "train_loss": result.train_loss}
    columns = ["run", "seed", *SETTINGS, "epoch", "accuracy", "loss", "train_accuracy", "train_loss"]
    return pd.DataFrame(rows, columns=columns)


def of_recipe(table: pd.DataFrame, run_id: str) -> pd.DataFrame:
    """Return the rows of a sweep table whose runs differ from this one in nothing but the number of epochs."""
    return table.loc[[recipe(name) == recipe(run_id) for name in table["run"]]]


def accuracies(table: pd.DataFrame, run_id: str, epochs: int | None = None) -> "pd.Series[float]":
    """Return the test accuracy of a run for every seed of a sweep.

    The result after 5 epochs is read off the history of a longer run of the same recipe: the learning
    rate does not depend on the number of epochs, so that the first 5 of 20 are a run of 5.

    Parameters
    ----------
    table : DataFrame
        From `sweep_table`.
    run_id : str
    epochs : int, optional
        By default those of the run; other ones for a sweep at another scale.

    Returns
    -------
    Series
        By seed, in their order; empty where the sweep has no such run.

    Raises
    ------
    LabError
        The table holds the run with several settings.
    """
    after = epochs_of(run_id) if epochs is None else epochs
    rows = of_recipe(table, run_id)
    return _one_per_seed(rows[rows["epoch"] == after], run_id, DECISIVE)["accuracy"]


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

    Raises
    ------
    LabError
        The table holds the run with several settings, or several numbers of epochs.
    """
    rows = of_recipe(table, run_id).dropna(subset="train_accuracy")
    rows = _one_per_seed(rows, run_id, [*DECISIVE, "epochs"])
    train, test = rows["train_accuracy"], rows["accuracy"]
    return pd.DataFrame({"train": train, "test": test, "gap": train - test})


def _one_per_seed(rows: pd.DataFrame, run_id: str, shared: Sequence[str]) -> pd.DataFrame:
    """Return test and training accuracy by seed.

    All seeds must share the settings named; one that stands there twice must have the same results both times, which it
    has not with another number of threads.
    """
    by_seed = rows.groupby("seed")[["accuracy", "train_accuracy"]]
    if len(rows[[*shared]].drop_duplicates()) > 1 or (by_seed.nunique() > 1).to_numpy().any():
        raise LabError(f"{run_id} was swept with several settings: choose the rows of one first")
    return by_seed.first()
