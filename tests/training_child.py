"""A training run of a second, in this process or in a child that can be killed, and what its tests share.

python tests/training_child.py FRAMEWORK STATES [--resume] [--pause MARKER]

With `--pause` the child writes MARKER in the middle of epoch 3 and waits there to be killed.
"""

import argparse
import json
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from labkit import cli
from labkit.data.mnist import ImageSet, load_mnist
from labkit.runs import training

CHILD = Path(__file__)
EPOCHS = 4
# Either has more than a hundred batches per epoch: one loss in a hundred is logged.
SETTINGS: dict[str, dict[str, Any]] = {
    "torch": {"images": 2000, "batch_size": 16, "learning_rate": 0.01, "momentum": 0.5},
    "keras": {"images": 480, "batch_size": 4, "learning_rate": 0.01, "momentum": 0.0},
}


def small_data(images: int, test_images: int = 300) -> ImageSet:
    """Return the first images of MNIST, with a small test set as well."""
    data = load_mnist().first(images)
    return replace(data, test_images=data.test_images[:test_images], test_labels=data.test_labels[:test_images])


def build(framework: str) -> Any:
    """Build the report's network with dropout (PyTorch), or with dropout and batch normalisation (Keras)."""
    if framework == "torch":
        from labkit.torch import networks as torch_networks

        return torch_networks.build("lenet-dropout", "relu", seed=1)
    from labkit.keras import networks as keras_networks

    return keras_networks.build("extra-conv", "relu", seed=1)


def train(framework: str, states: Path | None, resume: bool = False, epochs: int = EPOCHS, **changed: Any) -> Any:
    """Train, and return the network with its history."""
    network = changed.pop("network", None) or build(framework)
    settings = SETTINGS[framework] | changed
    data = small_data(settings.pop("images"))
    if framework == "torch":
        from labkit.torch.training import fit as fit_torch

        return network, fit_torch(network, data, epochs=epochs, state_dir=states, resume=resume, **settings)
    from labkit.keras.training import fit as fit_keras

    return network, fit_keras(network, data, epochs=epochs, state_dir=states, resume=resume, **settings)


def summary(framework: str, network: Any, history: Any) -> dict[str, Any]:
    """Return what two runs are compared by: the hash of the weights, and the history without its seconds."""
    content = history.to_dict()
    del content["recipe"]["epochs"]
    for epoch in content["epochs"]:
        del epoch["seconds"]
    return {"weights_sha256": import_module(f"labkit.{framework}").weights_sha256(network), "history": content}


def in_epoch(epoch: int, action: Callable[[], None]) -> Callable[..., Iterator[Any]]:
    """Return a `labkit.runs.training.watched` that does something in the middle of an epoch of the next training."""
    watched, epochs = training.watched, count(1)

    def watch(batches: Sequence[Any], bar: Any) -> Iterator[Any]:
        current = next(epochs)
        for number, batch in enumerate(watched(batches, bar)):
            if current == epoch and number == len(batches) // 2:
                action()
            yield batch

    return watch


def pause_in_epoch(epoch: int, marker: Path) -> None:
    """Make the training loop write `marker` in the middle of an epoch, and wait."""

    def wait() -> None:
        marker.touch()
        time.sleep(120)

    training.watched = in_epoch(epoch, wait)


def wait_for(marker: Path, process: subprocess.Popen[str], seconds: float = 300) -> None:
    """Return when `marker` is there; fail when the process ends first, or never gets there."""
    end = time.monotonic() + seconds
    while not marker.exists():
        assert process.poll() is None, f"the child ended early with {process.returncode}"
        assert time.monotonic() < end, "the child never got to the marker"
        time.sleep(0.02)


def saved_epochs(states: Path) -> list[str]:
    """Return the names of the state files under a folder."""
    return sorted(path.name for path in states.rglob("*") if path.is_file())


def run_cli(*arguments: str) -> int:
    """Run the command line in this process and return its exit code."""
    with pytest.raises(SystemExit) as caught:
        cli.main(list(arguments))
    code: Any = caught.value.code
    return int(code)


def main() -> None:
    """Train and print the summary as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("framework", choices=list(SETTINGS))
    parser.add_argument("states", type=Path)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--pause", type=Path)
    given = parser.parse_args()
    if given.pause is not None:
        pause_in_epoch(3, given.pause)
    network, history = train(given.framework, given.states, given.resume)
    print(json.dumps(summary(given.framework, network, history)))


if __name__ == "__main__":
    main()
