"""The Keras half on a GPU, in a process of its own: training, its repetition, resuming."""

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from helpers import run_command

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def networks(device: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the training runs of every Keras network gave."""
    if find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed")
    child = Path(__file__).with_name("keras_child.py")
    done = run_command([sys.executable, str(child), str(tmp_path_factory.mktemp("states"))])
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    if device != "cpu" and not answer["gpu"]:
        pytest.skip("no GPU that TensorFlow can use")
    found: dict[str, Any] = answer["networks"]
    return found


def test_every_network_trains(networks: dict[str, Any]) -> None:
    assert len(networks) > 1
    for name, runs in networks.items():
        first, second = runs["in one go"]["losses"]
        assert second < first, name


def test_the_same_seed_gives_the_same_weights(networks: dict[str, Any]) -> None:
    for name, runs in networks.items():
        assert runs["again"] == runs["in one go"], name


def test_a_resumed_run_gives_the_same_weights(networks: dict[str, Any]) -> None:
    for name, runs in networks.items():
        assert runs["resumed"] == runs["in one go"], name
