"""The registry of the ten published runs: every notebook, command and report reads it."""

import json
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from labkit.base.errors import unknown
from labkit.base.paths import data_dir

Framework = Literal["keras", "torch"]

# Not printed in the report for Keras; its PyTorch network uses 0.1 (data/published/RECIPES.md).
LEAKY_SLOPE = 0.1

BATCH_SIZE = 128
SEED = 1


@dataclass(frozen=True)
class Optimizer:
    """Stochastic gradient descent: its learning rate and momentum."""

    learning_rate: float
    momentum: float


@dataclass(frozen=True)
class Published:
    """What the report prints of one run.

    Attributes
    ----------
    figure : str
        The figure or figures of the report that show it.
    saved_as : str
        The file name under which the report saved the model.
    loss, accuracy : float
        On the 10,000 test images.
    correct : int
        Test images classified correctly; where the report prints only the accuracy, 10,000 times it.
    progress : tuple of dict
        The training progress as printed: `{"epoch", "loss", "accuracy", "seconds"}` per epoch for
        Keras, `{"epoch", "images_seen", "batch_loss"}` every 100 batches for PyTorch.
    """

    figure: str
    saved_as: str
    loss: float
    accuracy: float
    correct: int
    progress: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Run:
    """One run of the published report: its recipe and its published result.

    Attributes
    ----------
    id : str
        As in `data/published/report.json`, for instance `keras-baseline-5`.
    network : str
        `baseline` or `extra-conv` (Keras), `lenet-dropout` or `deep-bn` (PyTorch).
    activation : str
        `relu` or `leaky_relu`.
    seed : int
        Of the initial weights, the data order and dropout.
    model_file : str
        The file name under which labkit saves the model: the published one, except where the report
        gave one name to two models.
    """

    id: str
    framework: Framework
    network: str
    activation: str
    epochs: int
    optimizer: Optimizer
    batch_size: int
    seed: int
    params: int
    trainable_params: int
    model_file: str
    published: Published


_OPTIMIZERS = {"keras": Optimizer(0.01, 0.0), "torch": Optimizer(0.01, 0.5)}

# (all, trainable). Keras: printed in the report. PyTorch: counted from the printed code.
_PARAMS = {
    "baseline": (278_858, 277_834),
    "extra-conv": (119_434, 118_282),
    "lenet-dropout": (21_840, 21_840),
    "deep-bn": (422_474, 422_474),
}

# The report saved its baseline and its extra-conv network under the same name, one over the other.
_MODEL_FILES = {"keras-extra-conv-20": "mnist_cnn_extra_conv_epoch20.keras"}


@cache
def ten_runs() -> dict[str, Run]:
    """Return the ten runs by their ids, in the order of the report."""
    report = json.loads((data_dir() / "published" / "report.json").read_text(encoding="utf-8"))
    return {entry["id"]: _run(entry) for entry in report["runs"]}


def _run(entry: dict[str, Any]) -> Run:
    params, trainable = _PARAMS[entry["network"]]
    test = entry["test"]
    published = Published(
        figure=entry["figure"],
        saved_as=entry["saved_as"],
        loss=test["loss"],
        accuracy=test["accuracy"],
        correct=test.get("correct", round(10_000 * test["accuracy"])),
        progress=tuple(entry["train_progress"]),
    )
    return Run(
        **{name: entry[name] for name in ("id", "framework", "network", "activation", "epochs")},
        optimizer=_OPTIMIZERS[entry["framework"]],
        batch_size=BATCH_SIZE,
        seed=SEED,
        params=params,
        trainable_params=trainable,
        model_file=_MODEL_FILES.get(entry["id"], entry["saved_as"]),
        published=published,
    )


def find_run(run_id: str) -> Run:
    """Return the run with this id.

    Raises
    ------
    LabError
        There is no such run; the message names the valid ids and the nearest one.
    """
    if run_id not in ten_runs():
        raise unknown("run", run_id, ten_runs())
    return ten_runs()[run_id]
