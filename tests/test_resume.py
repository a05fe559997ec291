"""Runs that are cut off go on as if nothing had happened: kill -9 for real, then compare bit by bit."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from training_child import CHILD, build, run_cli, saved_epochs, small_data, summary, train, wait_for

from labkit.base.errors import LabError
from labkit.runs import plans as profiles
from labkit.runs.history import Recipe
from labkit.torch import networks as torch_networks
from labkit.torch import training as torch_training

FRAMEWORKS = ("torch", "keras")


@pytest.mark.parametrize("framework", ["torch", pytest.param("keras", marks=pytest.mark.slow)])
def test_killed_in_the_middle_of_an_epoch(framework: str, tmp_path: Path) -> None:
    states, marker = tmp_path / "states", tmp_path / "in-epoch-3"
    command = [sys.executable, str(CHILD), framework, str(states)]
    with subprocess.Popen([*command, "--pause", str(marker)], text=True) as child:
        wait_for(marker, child)
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    assert saved_epochs(states) == ["epoch-002.safetensors"]

    resumed = subprocess.run([*command, "--resume"], text=True, capture_output=True, check=True)
    first_line, result = resumed.stdout.splitlines()
    assert first_line == "going on after epoch 2"
    uninterrupted = summary(framework, *train(framework, None))
    assert len(uninterrupted["history"]["epochs"]) == 4
    assert json.loads(result) == uninterrupted


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_damaged_state_is_told_in_one_line(framework: str, tmp_path: Path) -> None:
    train(framework, tmp_path, epochs=1, images=320)
    (path,) = tmp_path.rglob("*.safetensors")
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    damages = (b"", whole[:1000], whole[: len(whole) // 2], whole[:-1], bytes(flipped), b"hello" * 100)
    for damage in damages:
        path.write_bytes(damage)
        with pytest.raises(LabError) as caught:
            train(framework, tmp_path, resume=True, epochs=2, images=320)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    path.unlink()
    path.mkdir()
    with pytest.raises(LabError, match="no readable training state"):
        train(framework, tmp_path, resume=True, epochs=2, images=320)


def test_state_of_another_run_is_not_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train("torch", tmp_path, epochs=1, images=320)
    for changed in ({"learning_rate": 0.02}, {"momentum": 0.0}, {"batch_size": 20}, {"images": 304}, {"seed": 2}):
        train("torch", tmp_path, resume=True, epochs=1, **({"images": 320} | changed))
    edited = build("torch")
    edited.conv1.padding = (1, 1)
    train("torch", tmp_path, resume=True, epochs=1, images=320, network=edited)
    assert "going on" not in capsys.readouterr().out
    train("torch", tmp_path, resume=True, epochs=2, images=320)
    assert "going on after epoch 1" in capsys.readouterr().out


def test_state_in_the_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    train("torch", tmp_path, epochs=1, images=320)
    (ours,) = tmp_path.rglob("*.safetensors")
    train("torch", tmp_path, epochs=1, images=320, learning_rate=0.02)
    (other,) = set(tmp_path.rglob("*.safetensors")) - {ours}
    os.replace(other, ours)
    with pytest.raises(LabError, match="of another network or recipe"):
        train("torch", tmp_path, resume=True, epochs=2, images=320)


def test_stray_files_beside_the_states_are_left_alone(tmp_path: Path) -> None:
    train("torch", tmp_path, epochs=1, images=320)
    (state,) = tmp_path.rglob("*.safetensors")
    state.with_name("epoch-best.safetensors").write_text("mine")
    _, history = train("torch", tmp_path, resume=True, epochs=2, images=320)
    assert len(history) == 2
    assert state.with_name("epoch-best.safetensors").read_text() == "mine"


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_longer_run_goes_on_from_a_shorter_one(framework: str, tmp_path: Path) -> None:
    train(framework, tmp_path, epochs=2, images=320)
    longer = summary(framework, *train(framework, tmp_path, resume=True, epochs=3, images=320))
    assert longer == summary(framework, *train(framework, None, epochs=3, images=320))
    assert saved_epochs(tmp_path) == ["epoch-002.safetensors", "epoch-003.safetensors"]
    shorter = summary(framework, *train(framework, tmp_path, resume=True, epochs=2, images=320))
    assert shorter["history"]["epochs"] == longer["history"]["epochs"][:2]


def test_train_says_from_where_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(profiles, "QUICK_TRAIN_IMAGES", 1000)
    command = ["train", "torch-baseline-5", "--profile", "quick", "--out", str(tmp_path), "--resume", "--epochs"]
    assert run_cli(*command, "1") == 0
    assert "no saved state of this run to go on from: training starts at epoch 1\n" in capsys.readouterr().out
    assert run_cli(*command, "2") == 0
    printed = capsys.readouterr().out
    assert "going on after epoch 1\n" in printed
    assert "no saved state" not in printed
    (state,) = (tmp_path / "states").rglob("epoch-002.safetensors")
    state.write_bytes(state.read_bytes()[:-5])
    assert run_cli(*command, "3") == 2
    assert capsys.readouterr().err == f"labkit: {state}: not a training state, or cut short\n"


@pytest.fixture
def trainer() -> torch_training._Trainer:
    """The deep network, in the memory layout of a CPU, before its first step."""
    network = torch_networks.build("deep-bn", "relu", seed=1)
    recipe = Recipe(0.01, 0.5, 32, 1, 2, 64, "")
    return torch_training._Trainer(network, small_data(64, 10), recipe, torch.device("cpu"))


def test_momentum_comes_back_in_the_layout_of_its_weights(trainer: torch_training._Trainer) -> None:
    """In another one, each step of the optimizer would have to walk through memory in two orders."""
    trainer.train_epoch([torch.arange(32), torch.arange(32, 64)])
    trained = {p: trainer.optimizer.state[p]["momentum_buffer"].clone() for p in trainer.network.parameters()}
    arrays = {name: array.copy() for name, array in trainer.state().items()}
    trainer.optimizer.state.clear()
    trainer.restore(arrays, 1)
    layouts = set()
    for parameter, before in trained.items():
        after = trainer.optimizer.state[parameter]["momentum_buffer"]
        assert torch.equal(after, before)
        assert after.stride() == parameter.stride()
        layouts.add(after.is_contiguous())
    assert layouts == {True, False}  # the kernels of the convolutions are the ones that are not


def test_a_state_from_a_gpu_starts_the_random_numbers_anew(trainer: torch_training._Trainer) -> None:
    """A CPU does not draw the numbers of a GPU, and must not repeat those of epoch 1."""
    torch.manual_seed(1)
    arrays = {name: array.copy() for name, array in trainer.state().items()}

    def drawn(state: dict[str, Any], epoch: int) -> list[float]:
        trainer.restore(state, epoch)
        return [float(number) for number in torch.rand(3)]

    first_epoch = drawn(arrays, 1)
    of_gpu = arrays | {"random.cuda": np.zeros(16, np.uint8)}
    assert drawn(of_gpu, 1) == drawn(of_gpu, 1) != first_epoch
    assert drawn(of_gpu, 2) != drawn(of_gpu, 1)
