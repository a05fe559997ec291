"""Results of runs: one JSON file per run, gathered into `results.json`, compared with what was published."""

import io
import json
import os
import platform
import sys
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from labkit import __version__
from labkit.data import MNIST, ImageSet
from labkit.errors import LabError
from labkit.files import write_bytes, write_text
from labkit.history import Evaluation, History, Recipe, Score
from labkit.paths import reference_dir
from labkit.profiles import Plan, cuda_works, has_gpu
from labkit.runs import runs

PACKAGES = ("torch", "torchvision", "tensorflow", "keras", "numpy", "matplotlib", "papermill")


@dataclass(frozen=True)
class Record:
    """The result of a run, the same for `labkit train`, the notebooks and sweeps: what was done, what came out.

    Attributes
    ----------
    run : str
        An id of the registry, or a name of its own for an experiment beyond the report.
    profile : {"quick", "full"}
    history : History
        With the recipe that `fit` used.
    params, trainable_params : int
    test : Score
        On the test images, after the last epoch.
    weights_sha256 : str
    device : str
    threads : int
        On the CPU: the last bits of a result depend on it.
    versions : dict of str to str
    dataset : str
        `mnist`, or the name of a folder.
    notebook : str
        Where it was made; empty outside of notebooks.
    train : Score, optional
        On the training images, in evaluation mode: in sweeps.
    together : tuple of int
        In sweeps: the seeds that `fit_many` trained with this one; empty for `fit`.
    """

    run: str
    profile: str
    history: History
    params: int
    trainable_params: int
    test: Score
    weights_sha256: str
    device: str
    threads: int
    versions: dict[str, str]
    dataset: str = MNIST
    notebook: str = ""
    train: Score | None = None
    together: tuple[int, ...] = ()

    @property
    def recipe(self) -> Recipe:
        """The settings of `fit`."""
        assert self.history.recipe is not None
        return self.history.recipe

    @property
    def plan(self) -> Plan:
        """What was carried out: fewer epochs than planned after Ctrl-C."""
        return Plan(self.profile, self.recipe.train_images, len(self.history))

    @property
    def interrupted(self) -> bool:
        """Whether fewer epochs were trained than planned."""
        return len(self.history) < self.recipe.epochs

    @property
    def seconds(self) -> float:
        """Of training; the evaluation is not counted."""
        return round(sum(e.seconds for e in self.history.epochs), 3)

    def __str__(self) -> str:
        done = str(self.plan) if self.dataset == MNIST else f"{self.dataset}: {self.plan}"
        return f"{done}, interrupted: {self.recipe.epochs} were planned" if self.interrupted else done

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON files hold it: the recipe beside the rest, the history at the end."""
        flat = asdict(self)
        history = flat.pop("history")
        recipe = history["recipe"]
        for name, score in (("test", self.test), ("train", self.train)):
            flat[name] = {**flat[name], "accuracy": score.accuracy} if score else None
        return {
            "run": flat.pop("run"),
            **recipe,
            "epochs": len(self.history),
            "planned_epochs": recipe["epochs"],
            "method": "fit_many" if self.together else "fit",
            "seconds": self.seconds,
            **flat,
            "together": list(self.together),
            "history": history["epochs"],
            "batch_losses": history["batch_losses"],
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "Record":
        """Rebuild a record from what `to_dict` gave.

        Raises
        ------
        LabError
            The content is not that of a record.
        """
        try:
            recipe = {f.name: content[f.name] for f in fields(Recipe)} | {"epochs": content["planned_epochs"]}
            history = {"recipe": recipe, "epochs": content["history"], "batch_losses": content["batch_losses"]}
            attributes = {f.name: content[f.name] for f in fields(cls) if f.name != "history"}
            for name in ("test", "train"):
                if (score := attributes[name]) is not None or name == "test":
                    attributes[name] = Score(score["loss"], score["correct"], score["total"])
            attributes["together"] = tuple(attributes["together"])
            return cls(**attributes, history=History.from_dict(history))
        except KeyError as problem:
            raise LabError(f"not the result of a run: it lacks {problem}") from None
        except (TypeError, AttributeError, LabError) as problem:
            raise LabError(f"not the result of a run: {problem}") from None


def make_record(
    run_id: str, network: Any, history: History, data: ImageSet, profile: str, **more: Any
) -> tuple[Record, Evaluation]:
    """Test a trained network, and put everything together that is to be known of its run.

    Parameters
    ----------
    run_id : str
        An id of the registry, or a name of its own for an experiment beyond the report.
    network : nn.Module or keras.Model
    history : History
        From `fit`.
    data : ImageSet
        Its test images are used.
    profile : {"quick", "full"}
    **more
        Further attributes of `Record`.

    Returns
    -------
    record : Record
    test : Evaluation
        With the probabilities, which are not part of the record.
    """
    framework = framework_of(network)
    networks = import_module(f"labkit.{framework}_networks")
    training = import_module(f"labkit.{framework}_training")
    test = test_as_trained(network, history, data.test_images, data.test_labels)
    params, trainable_params = networks.count_params(network)
    record = Record(
        run_id,
        profile,
        history,
        params,
        trainable_params,
        test.score,
        training.weights_sha256(network),
        device_name(),
        training.threads(),
        environment(),
        **more,
    )
    return record, test


def test_as_trained(network: Any, history: History, images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Evaluation:
    """Evaluate a network with the normalisation that it was trained with."""
    framework = framework_of(network)
    recipe = history.recipe
    pixels = {"mean": recipe.mean, "std": recipe.std} if framework == "torch" and recipe else {}
    test: Evaluation = import_module(f"labkit.{framework}_training").evaluate(network, images, labels, **pixels)
    return test


def framework_of(network: Any) -> str:
    """Return `torch` or `keras`, without importing either."""
    homes = {base.__module__.partition(".")[0] for base in type(network).__mro__}
    return "torch" if "torch" in homes else "keras"


def save_record(record: Record, out: Path, probabilities: NDArray[np.float32] | None = None) -> None:
    """Write a record to `out/results/<run>.json`, and per-image probabilities beside it.

    The probabilities, shape (total, classes), are stored as float16 in
    `out/predictions/<run>.npz`: what confusion matrices and McNemar's test need.

    Raises
    ------
    LabError
        A file cannot be written.
    """
    write_text(out / "results" / f"{record.run}.json", json.dumps(record.to_dict(), indent=1) + "\n")
    if probabilities is not None:
        packed = io.BytesIO()
        np.savez_compressed(packed, probabilities=probabilities.astype(np.float16))
        write_bytes(out / "predictions" / f"{record.run}.npz", packed.getvalue())


def load_records(out: Path) -> dict[str, Record]:
    """Return the records under `out/results/`, by run: the ten of the report first, in its order.

    Raises
    ------
    LabError
        A record cannot be read.
    """
    records = {record.run: record for record in map(read_record, sorted((out / "results").glob("*.json")))}
    order = list(runs())
    return dict(sorted(records.items(), key=lambda item: (order.index(item[0]) if item[0] in order else 99, item[0])))


def read_record(path: Path) -> Record:
    """Read a record that `save_record` or a sweep wrote.

    Raises
    ------
    LabError
        The file cannot be read, or is no record.
    """
    try:
        return Record.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, OSError, RecursionError) as problem:
        raise LabError(f"{path}: not a readable result: {problem}") from None
    except LabError as problem:
        raise LabError(f"{path}: {problem}") from None


def load_probabilities(out: Path, run_id: str) -> NDArray[np.float32] | None:
    """Return the per-image probabilities that a run stored, shape (total, classes), or None.

    Raises
    ------
    LabError
        They are damaged.
    """
    path = out / "predictions" / f"{run_id}.npz"
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as archive:
            probabilities: NDArray[np.float32] = archive["probabilities"].astype(np.float32)
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error):
        raise LabError(f"{path}: damaged: delete it and run the notebook again") from None
    return probabilities


def reference_records() -> dict[str, Record]:
    """Return the records of the shipped reference run, by run; empty where none is shipped."""
    path = reference_dir() / "results.json"
    if not path.exists():
        return {}
    records = map(Record.from_dict, json.loads(path.read_text(encoding="utf-8"))["runs"])
    return {record.run: record for record in records}


def reference_times() -> dict[str, float]:
    """Return how many seconds each notebook takes in the quick profile, measured on 2 CPU cores."""
    path = reference_dir() / "times.json"
    if not path.exists():
        return {}
    return dict(json.loads(path.read_text(encoding="utf-8"))["seconds"])


def environment() -> dict[str, str]:
    """Return the versions that a result depends on: Python, labkit and the frameworks."""
    found = {"python": platform.python_version(), "labkit": __version__}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def device_name() -> str:
    """Return the device in words: the GPU, or the processor with the number of cores."""
    if not has_gpu():
        return f"{_processor()}, {os.cpu_count()} cores, no GPU"
    if "tensorflow" in sys.modules:
        import tensorflow as tf

        gpu = tf.config.list_physical_devices("GPU")[0]
        return str(tf.config.experimental.get_device_details(gpu).get("device_name", "GPU"))
    import torch

    return torch.cuda.get_device_name() if cuda_works() else f"Apple GPU ({platform.machine()})"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def results_table(records: Mapping[str, Record], run_ids: Iterable[str] | None = None) -> pd.DataFrame:
    """Compare runs: test accuracy and loss as published, in the shipped reference run, and in this run.

    Parameters
    ----------
    records : mapping of str to record
        Of this run; runs that are not in it are left empty.
    run_ids : iterable of str, optional
        The rows; by default the ten runs of the report.

    Returns
    -------
    DataFrame
        Indexed by run. Accuracies in percent. A quick run's column says so.
    """
    reference = reference_records()
    rows = {}
    for run_id in run_ids if run_ids is not None else runs():
        done = records.get(run_id)
        same_data = done is None or done.dataset == MNIST  # other results are those of MNIST
        published = runs()[run_id].published if run_id in runs() and same_data else None
        row: dict[str, Any] = {
            "published accuracy (%)": 100 * published.accuracy if published else None,
            "published loss": published.loss if published else None,
        }
        for label, record in (("reference", reference.get(run_id) if same_data else None), ("this run", done)):
            row[f"{label} accuracy (%)"] = 100 * record.test.accuracy if record else None
            row[f"{label} loss"] = record.test.loss if record else None
        row["this run was"] = str(done) if done else "not run"
        rows[run_id] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("run")


def format_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a results table as texts: accuracies with two decimals, losses with four, a dash for nothing."""

    def shown(column: str, value: Any) -> str:
        if isinstance(value, str):
            return value
        if value is None or np.isnan(value):
            return "–"
        return f"{value:.2f}" if "accuracy" in column else f"{value:.4f}"

    return pd.DataFrame({c: [shown(str(c), v) for v in table[c]] for c in table.columns}, index=table.index)
