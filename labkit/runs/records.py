"""Results of runs: one JSON file per run, gathered into `results.json`, compared with what was published."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labkit.base.errors import LabError
from labkit.base.files import load_array, save_arrays, write_text
from labkit.base.paths import reference_dir
from labkit.data.mnist import MNIST, ImageSet
from labkit.runs.computer import device_name, environment
from labkit.runs.frameworks import framework, framework_of
from labkit.runs.history import Evaluation, History, Recipe, Score
from labkit.runs.plans import Plan
from labkit.runs.registry import ten_runs


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
    test : Score
        On the test images, after the last epoch.
    threads : int
        On the CPU: the last bits of a result depend on it.
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
        """Rebuild a record from what `to_dict` gave; a `LabError` says why it is none."""
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
    """Test a trained network, and put together everything that is to be known of its run.

    The evaluation holds the probabilities, which are not part of the record. `more` are further attributes of
    `Record`.
    """
    used = framework(framework_of(network))
    test = test_as_trained(network, history, data.test_images, data.test_labels)
    params, trainable_params = used.count_params(network)
    record = Record(
        run_id,
        profile,
        history,
        params,
        trainable_params,
        test.score,
        used.weights_sha256(network),
        device_name(),
        used.threads(),
        environment(),
        **more,
    )
    return record, test


def test_as_trained(network: Any, history: History, images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Evaluation:
    """Evaluate a network with the normalisation that it was trained with."""
    name, recipe = framework_of(network), history.recipe
    pixels = {"mean": recipe.mean, "std": recipe.std} if name == "torch" else {}
    test: Evaluation = framework(name).evaluate(network, images, labels, **pixels)
    return test


def save_record(record: Record, out: Path, probabilities: NDArray[np.float32] | None = None) -> None:
    """Write a record to `out/results/<run>.json`, and per-image probabilities beside it.

    The probabilities, shape (total, classes), are stored as float16 in
    `out/predictions/<run>.npz`: what confusion matrices and McNemar's test need.
    """
    write_text(out / "results" / f"{record.run}.json", json.dumps(record.to_dict(), indent=1) + "\n")
    if probabilities is not None:
        save_arrays(out / "predictions" / f"{record.run}.npz", probabilities=probabilities.astype(np.float16))


def load_records(out: Path) -> dict[str, Record]:
    """Return the records under `out/results/`, by run: the ten of the report first, in its order."""
    records = {record.run: record for record in map(read_record, sorted((out / "results").glob("*.json")))}
    order = list(ten_runs())
    return dict(sorted(records.items(), key=lambda item: (order.index(item[0]) if item[0] in order else 99, item[0])))


def read_record(path: Path) -> Record:
    """Read a record that `save_record` or a sweep wrote."""
    try:
        return Record.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, OSError, RecursionError) as problem:
        raise LabError(f"{path}: not a readable result: {problem}") from None
    except LabError as problem:
        raise LabError(f"{path}: {problem}") from None


def load_probabilities(out: Path, run_id: str) -> NDArray[np.float32] | None:
    """Return the per-image probabilities that a run stored, shape (total, classes), or None where it stored none."""
    path = out / "predictions" / f"{run_id}.npz"
    if not path.exists():
        return None
    return load_array(path, "probabilities", "damaged: delete it and run the notebook again").astype(np.float32)


def reference_records() -> dict[str, Record]:
    """Return the records of the shipped reference run, by run."""
    content = json.loads((reference_dir() / "results.json").read_text(encoding="utf-8"))
    records = map(Record.from_dict, content["runs"])
    return {record.run: record for record in records}


def reference_times() -> dict[str, float]:
    """Return how many seconds each notebook takes in the quick profile, measured on 2 CPU cores."""
    return dict(json.loads((reference_dir() / "times.json").read_text(encoding="utf-8"))["seconds"])
