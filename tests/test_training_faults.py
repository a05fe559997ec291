"""Training that goes wrong: a loss that is no number, full memory, Ctrl-C."""

import importlib
import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from training_child import CHILD, in_epoch, run_cli, saved_epochs, summary, train, wait_for

from labkit import cli
from labkit.base.errors import LabError
from labkit.base.progress import progress_bar
from labkit.keras.quiet_tensorflow import tf
from labkit.runs import plans as profiles
from labkit.runs import records as results
from labkit.runs import training
from labkit.runs.history import Evaluation
from labkit.stats.results_table import results_table
from labkit.torch import evaluate

FRAMEWORKS = ("torch", "keras")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_loss_that_is_not_finite(framework: str) -> None:
    with pytest.raises(LabError) as caught:
        train(framework, None, images=400, learning_rate=1e30)
    line = r"the loss is (nan|inf) in epoch 1, batch \d+: training stopped; a smaller learning_rate usually helps"
    assert re.fullmatch(line, str(caught.value))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_last_good_state_is_kept(framework: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last step of epoch 2 ruins the weights: only the test shows it, and no state of it is saved."""
    module = importlib.import_module(f"labkit.{framework}.evaluation")
    calls: list[int] = []
    evaluation_of = module.evaluation_of

    def ruined_in_epoch_2(*arguments: Any) -> Evaluation:
        calls.append(1)
        result = evaluation_of(*arguments)
        return result if len(calls) == 1 else Evaluation(float("nan"), 0, result.total, result.probabilities)

    monkeypatch.setattr(module, "evaluation_of", ruined_in_epoch_2)
    with pytest.raises(LabError) as caught:
        train(framework, tmp_path, images=320)
    assert str(caught.value) == (
        "the test loss is nan after epoch 2: training stopped; a smaller learning_rate usually helps; "
        "the state after epoch 1 is kept"
    )
    assert saved_epochs(tmp_path) == ["epoch-001.safetensors"]


def test_the_bar_ends_exactly_at_its_total(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a notebook tqdm leaves a bar that did not come to its end: 47 times 1/47 is a little less than 1."""
    bars = []

    def shown(**settings: Any) -> Any:
        bars.append(progress_bar(**settings | {"wanted": True}))
        return bars[-1]

    monkeypatch.setattr(training, "progress_bar", shown)
    train("torch", None, images=47 * 16)
    assert [bar.n for bar in bars] == [bars[0].total]


def out_of_memory_errors() -> list[tuple[str, Exception]]:
    """Return what the frameworks raise on a GPU, on a Mac and on a CPU."""
    return [
        ("torch", torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB")),
        ("torch", RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)")),
        ("torch", RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory")),
        ("keras", tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")),
    ]


@pytest.mark.parametrize(("framework", "error"), out_of_memory_errors())
def test_out_of_memory(framework: str, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(training, "watched", in_epoch(1, fail))
    with pytest.raises(LabError) as caught:
        train(framework, None, images=320)
    batch_size = 16 if framework == "torch" else 4
    assert str(caught.value) == (
        f"the device ran out of memory with batch_size {batch_size}: lower batch_size, or end what else uses its memory"
    )


def test_out_of_memory_before_the_first_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The training images themselves may not fit."""

    def fail(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 47 MiB")

    monkeypatch.setattr(torch, "as_tensor", fail)
    with pytest.raises(LabError, match="out of memory with batch_size 16"):
        train("torch", None, images=320)


def test_a_network_that_fails_in_a_test_goes_back_to_its_mode() -> None:
    class Failing(torch.nn.Linear):
        def forward(self, _: torch.Tensor) -> torch.Tensor:
            raise ValueError

    network = Failing(1, 1).train()
    with pytest.raises(ValueError):
        evaluate(network, np.zeros((1, 28, 28), np.uint8), np.zeros(1, np.uint8))
    assert network.training


def test_another_runtime_error_is_not_called_a_memory_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(training, "watched", in_epoch(1, fail))
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        train("torch", None, images=320)


def interrupt_in_epoch(epoch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Ctrl-C come in the middle of an epoch."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "watched", in_epoch(epoch, interrupt))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_interrupt_goes_back_to_the_end_of_an_epoch(
    framework: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patched:
        interrupt_in_epoch(3, patched)
        interrupted = summary(framework, *train(framework, None))
    assert "interrupted: 2 of 4 epochs are finished and kept\n" in capsys.readouterr().out
    assert interrupted == summary(framework, *train(framework, None, epochs=2))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_interrupt_in_the_first_epoch_keeps_nothing(framework: str, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt_in_epoch(1, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        train(framework, None)


# `labkit train` on 2,000 images, which waits in the middle of epoch 3 to be interrupted
TRAIN = """
import sys
from pathlib import Path
from labkit import cli
from labkit.runs import plans as profiles
from training_child import pause_in_epoch
profiles.QUICK_TRAIN_IMAGES = 2000
pause_in_epoch(3, Path(sys.argv[1]))
cli.main(sys.argv[2:])
"""


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_saves_what_was_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    marker = tmp_path / "in-epoch-3"
    train_command = ["train", "torch-baseline-5", "--profile", "quick", "--epochs", "5", "--out", str(tmp_path)]
    command = [sys.executable, "-c", TRAIN, str(marker), *train_command]
    with subprocess.Popen(
        command, cwd=CHILD.parent, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        wait_for(marker, child)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate()
    assert child.returncode == 130
    assert err == ""
    (model,) = (tmp_path / "models").iterdir()
    assert out.splitlines()[1] == "interrupted: 2 of 5 epochs are finished and kept"
    assert out.splitlines()[3:] == [
        f"saved {model}",
        "2 of 5 epochs are in it: the same command with --resume goes on",
    ]
    record = results.load_records(tmp_path)["torch-baseline-5"]
    assert (len(record.history), record.recipe.epochs) == (2, 5)
    (row,) = results_table({record.run: record}, [record.run])["this run was"]
    assert row == "2,000 images, 2 epochs (quick), interrupted: 5 were planned"

    assert run_cli("test", str(model), "--json") == 0
    tested = json.loads(capsys.readouterr().out)
    assert tested["correct"] == record.test.correct
    monkeypatch.setattr(profiles, "QUICK_TRAIN_IMAGES", 2000)
    assert run_cli(*train_command[:-3], "3", *train_command[-2:], "--resume") == 0
    assert "going on after epoch 2\n" in capsys.readouterr().out


def test_ctrl_c_before_anything_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(profiles, "QUICK_TRAIN_IMAGES", 500)
    interrupt_in_epoch(1, monkeypatch)
    with pytest.raises(SystemExit) as caught:
        cli.main(["train", "torch-baseline-5", "--profile", "quick", "--out", str(tmp_path)])
    assert caught.value.code == 130
    assert capsys.readouterr().err == "labkit: interrupted\n"
    assert not list((tmp_path / "models").iterdir())
