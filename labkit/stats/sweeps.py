"""What came out of a sweep: read its folder or the compact form that ships, as one table and one array a run."""

import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from labkit.base.errors import LabError
from labkit.base.paths import reference_dir
from labkit.runs.records import read_record
from labkit.runs.registry import Run, find_run

# What all seeds of a run must share to be put together, and what the compact form says once. The number of threads
# is not among them: it moves the last bits of a result, as another seed moves all of them.
SETTINGS = ("profile", "epochs", "train_images", "learning_rate", "momentum", "batch_size", "method")


@dataclass(frozen=True)
class SeedResult:
    """One training of a sweep.

    Attributes
    ----------
    run : str
    seed : int
    settings : mapping
        The entries of `SETTINGS`.
    test_accuracy, test_loss : tuple of float
        After each epoch, on the test images.
    train_accuracy, train_loss : float
        After the last epoch, on the training images, in evaluation mode.
    seconds : float
        Of training.
    threads : int
        On the CPU.
    weights_sha256 : str
    made_on : mapping
        Device and versions.
    predictions : uint8 array, shape (test images,)
        The predicted classes after the last epoch.
    """

    run: str
    seed: int
    settings: Mapping[str, Any]
    test_accuracy: tuple[float, ...]
    test_loss: tuple[float, ...]
    train_accuracy: float
    train_loss: float
    seconds: float
    threads: int
    weights_sha256: str
    made_on: Mapping[str, Any]
    predictions: NDArray[np.uint8]


def read_sweep(folder: Path) -> list[SeedResult]:
    """Read the finished jobs of a sweep folder, by run and seed.

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
        results.append(
            SeedResult(
                record.run,
                record.recipe.seed,
                {name: content[name] for name in SETTINGS},
                tuple(e.test_accuracy for e in record.history.epochs),
                tuple(e.test_loss for e in record.history.epochs),
                record.train.accuracy,
                record.train.loss,
                record.seconds,
                record.threads,
                record.weights_sha256,
                {"device": record.device, "versions": record.versions},
                _read_predictions(path.with_suffix(".npz")),
            )
        )
    return sorted(results, key=lambda result: (result.run, result.seed))


def reference_sweep() -> list[SeedResult]:
    """Read the sweep that ships with the series in `data/reference/sweeps`; none there gives an empty list.

    Raises
    ------
    LabError
        A file cannot be read.
    """
    results = []
    for path in sorted((reference_dir() / "sweeps").glob("*.json")):
        content = _read_json(path)
        predictions = _read_predictions(path.with_suffix(".npz"))
        try:
            settings = {name: content[name] for name in SETTINGS}
            made_on = {name: content[name] for name in ("device", "versions")}
            for entry, predicted in zip(content["seeds"], predictions, strict=True):
                results.append(
                    SeedResult(
                        content["run"],
                        entry["seed"],
                        settings,
                        tuple(entry["test_accuracy"]),
                        tuple(entry["test_loss"]),
                        entry["train_accuracy"],
                        entry["train_loss"],
                        entry["seconds"],
                        entry["threads"],
                        entry["weights_sha256"],
                        made_on,
                        predicted,
                    )
                )
        except (KeyError, TypeError, ValueError) as problem:
            raise LabError(f"{path}: not a compact sweep: {problem}") from None
    return results


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as problem:
        raise LabError(f"{path}: cannot be read: {problem}") from None
    if not isinstance(content, dict):
        raise LabError(f"{path}: holds no record")
    return content


def _read_predictions(path: Path) -> NDArray[np.uint8]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            predictions: NDArray[np.uint8] = archive["predictions"]
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error):
        raise LabError(f"{path}: missing or damaged: delete the .json beside it and sweep again") from None
    return predictions


def sweep_table(results: Sequence[SeedResult]) -> pd.DataFrame:
    """Return one row an epoch of every job.

    Returns
    -------
    DataFrame
        Columns `run`, `seed`, the `SETTINGS` (of which `epochs` is the job's last), `epoch`, `accuracy` and
        `loss` on the test images; `train_accuracy` and `train_loss` after the last epoch, NaN before.
    """
    rows = []
    for result in results:
        for index, (accuracy, loss) in enumerate(zip(result.test_accuracy, result.test_loss, strict=True)):
            last = index + 1 == len(result.test_accuracy)
            rows.append(
                {
                    "run": result.run,
                    "seed": result.seed,
                    **result.settings,
                    "epoch": index + 1,
                    "accuracy": accuracy,
                    "loss": loss,
                    "train_accuracy": result.train_accuracy if last else np.nan,
                    "train_loss": result.train_loss if last else np.nan,
                }
            )
    columns = ["run", "seed", *SETTINGS, "epoch", "accuracy", "loss", "train_accuracy", "train_loss"]
    return pd.DataFrame(rows, columns=columns)


def same_recipe(first: Run, second: Run) -> bool:
    """Tell whether two runs differ in nothing but the number of epochs."""
    return (first.framework, first.network, first.activation) == (second.framework, second.network, second.activation)


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
    wanted = find_run(run_id)
    after = wanted.epochs if epochs is None else epochs
    recipes = [name for name in table["run"].unique() if same_recipe(find_run(name), wanted)]
    rows = table[table["run"].isin(recipes) & (table["epoch"] == after)]
    by_seed = rows.groupby("seed")["accuracy"]
    if (by_seed.nunique() > 1).any():
        raise LabError(f"{run_id} was swept with several settings: choose the rows of one first")
    return by_seed.first()
