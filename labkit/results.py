"""Results of runs: one JSON a run, gathered into `results.json`, compared with what was published."""

import io
import json
import os
import platform
import sys
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from labkit import __version__
from labkit.data import MNIST
from labkit.errors import LabError
from labkit.files import write_bytes, write_text
from labkit.history import Evaluation, History
from labkit.paths import reference_dir
from labkit.profiles import Plan, has_gpu
from labkit.runs import runs

Record = dict[str, Any]

# What every reader of a record counts on; there may be more.
RECORD_KEYS = ("run", "profile", "seed", "epochs", "train_images", "params", "test", "history", "batch_losses")

PACKAGES = ("torch", "torchvision", "tensorflow", "keras", "numpy", "matplotlib", "papermill")


def make_record(
    run_id: str,
    plan: Plan,
    seed: int,
    params: tuple[int, int],
    test: Evaluation,
    history: History,
    weights_sha256: str,
    **more: Any,
) -> Record:
    """Build the record of a run: what was run, what came out.

    Parameters
    ----------
    run_id : str
        An id of the registry, or a name of its own for an experiment beyond the report.
    plan : Plan
        What was asked for. The epochs in the record are those of the history: fewer after Ctrl-C.
    seed : int
    params : (int, int)
        Numbers of all and of trainable parameters.
    test : Evaluation
        On the test set, after the last epoch.
    history : History
    weights_sha256 : str
    **more
        Further JSON-able entries: threads, device, learning_rate, ...
    """
    return {
        "run": run_id,
        "profile": plan.profile,
        "seed": seed,
        "epochs": len(history),
        **({"planned_epochs": plan.epochs} if len(history) != plan.epochs else {}),
        "train_images": plan.train_images,
        "params": params[0],
        "trainable_params": params[1],
        "test": test_summary(test),
        "seconds": round(sum(e.seconds for e in history.epochs), 3),
        "weights_sha256": weights_sha256,
        **more,
        "history": [asdict(e) for e in history.epochs],
        "batch_losses": [asdict(b) for b in history.batch_losses],
    }


def test_summary(test: Evaluation) -> dict[str, Any]:
    """Return an evaluation as `results.json` holds it, without the per-image probabilities."""
    return {"loss": test.loss, "accuracy": test.accuracy, "correct": test.correct, "total": test.total}


def history_of(record: Record) -> History:
    """Return the history that a record holds."""
    return History.from_dict({"epochs": record["history"], "batch_losses": record["batch_losses"]})


def save_record(record: Record, out: Path, probabilities: NDArray[np.float32] | None = None) -> None:
    """Write a record to `out/results/<run>.json`, and per-image probabilities beside it.

    The probabilities, shape (total, classes), are stored as float16 in
    `out/predictions/<run>.npz`: what confusion matrices and McNemar's test need.

    Raises
    ------
    LabError
        A file cannot be written.
    """
    write_text(out / "results" / f"{record['run']}.json", json.dumps(record, indent=1) + "\n")
    if probabilities is not None:
        packed = io.BytesIO()
        np.savez_compressed(packed, probabilities=probabilities.astype(np.float16))
        write_bytes(out / "predictions" / f"{record['run']}.npz", packed.getvalue())


def load_records(out: Path) -> dict[str, Record]:
    """Return the records under `out/results/`, by run: the ten of the report first, in its order.

    Raises
    ------
    LabError
        A record cannot be read.
    """
    records: dict[str, Record] = {}
    for path in sorted((out / "results").glob("*.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            missing = [key for key in RECORD_KEYS if key not in record]
        except (ValueError, TypeError, OSError, RecursionError) as problem:
            raise LabError(f"{path}: not a readable result: {problem}") from None
        if missing or not isinstance(record, dict):
            raise LabError(f"{path}: not the result of a run: it lacks {', '.join(missing)}")
        records[record["run"]] = record
    order = list(runs())
    return dict(sorted(records.items(), key=lambda item: (order.index(item[0]) if item[0] in order else 99, item[0])))


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
    return {record["run"]: record for record in json.loads(path.read_text(encoding="utf-8"))["runs"]}


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


def thread_counts() -> dict[str, int]:
    """Return how many threads each framework in use computes with on the CPU: the last bits depend on it."""
    counts = {}
    if "labkit.torch_training" in sys.modules:
        from labkit import torch_training

        counts["torch"] = torch_training.threads()
    if "labkit.keras_training" in sys.modules:
        from labkit import keras_training

        counts["tensorflow"] = keras_training.threads()
    return counts


def device_name() -> str:
    """Return the device in words: the GPU, or the processor with the number of cores."""
    if not has_gpu():
        return f"{_processor()}, {os.cpu_count()} cores, no GPU"
    if "tensorflow" in sys.modules:
        import tensorflow as tf

        gpu = tf.config.list_physical_devices("GPU")[0]
        return str(tf.config.experimental.get_device_details(gpu).get("device_name", "GPU"))
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else f"Apple GPU ({platform.machine()})"


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
        same_data = done is None or "dataset" not in done  # other results are those of MNIST
        published = runs()[run_id].published if run_id in runs() and same_data else None
        row: dict[str, Any] = {
            "published accuracy (%)": 100 * published.accuracy if published else None,
            "published loss": published.loss if published else None,
        }
        for label, record in (("reference", reference.get(run_id) if same_data else None), ("this run", done)):
            row[f"{label} accuracy (%)"] = 100 * record["test"]["accuracy"] if record else None
            row[f"{label} loss"] = record["test"]["loss"] if record else None
        row["this run was"] = scale_of(done) if done else "not run"
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


def dataset_of(record: Record) -> str:
    """Return the name of the data set that a run was trained on: `mnist`, or that of a folder."""
    return str(record.get("dataset", MNIST))


def scale_of(record: Record) -> str:
    """Return what was carried out of a run, in words: images, epochs, profile, data set, whether it was cut short."""
    done = str(Plan(record["profile"], record["train_images"], record["epochs"]))
    if "dataset" in record:
        done = f"{record['dataset']}: {done}"
    return f"{done}, interrupted: {record['planned_epochs']} were planned" if "planned_epochs" in record else done
