"""TensorFlow and PyTorch in one process, in every order: the crash that labkit must prevent. Importing is cheap.

Each case is a process of its own: the crash is a segmentation fault.
"""

import os
import re

import pytest
from helpers import labkit_command, run_command, run_python

# What used to die once TensorFlow was there before PyTorch
TORCH = "import torch; torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1); import torchvision"
TENSORFLOW = "import tensorflow as tf; tf.zeros(1)"
KERAS = "import keras; keras.layers.Dense(1).build((None, 1))"

ORDERS = {
    "labkit, tensorflow, torch": ("import labkit", TENSORFLOW, TORCH),
    "labkit, torch, tensorflow": ("import labkit", TORCH, TENSORFLOW),
    "tensorflow, labkit, torch": (TENSORFLOW, "import labkit", TORCH),
    "torch, tensorflow, labkit": (TORCH, TENSORFLOW, "import labkit"),
    "torch, labkit, tensorflow": (TORCH, "import labkit", TENSORFLOW),
    "keras, labkit, torch": (KERAS, "import labkit", TORCH),
    "labkit, keras, torch": ("import labkit", KERAS, TORCH),
    "labkit's keras, labkit's torch": ("import labkit.keras.training", "import labkit.torch.training", TORCH),
    "labkit's torch, labkit's keras": ("import labkit.torch.training", TORCH, "import labkit.keras.training"),
}
# An order that a student is likely to write; the others are proved in CI
COMMON = ("tensorflow, labkit, torch",)


@pytest.mark.parametrize(
    "lines",
    [pytest.param(lines, id=name, marks=() if name in COMMON else pytest.mark.slow) for name, lines in ORDERS.items()],
)
def test_no_order_of_imports_crashes(lines: tuple[str, ...]) -> None:
    done = run_python("\n".join((*lines, "print('alive')")))
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.endswith("alive\n")


@pytest.mark.parametrize(
    "module", ["labkit.keras.training", "labkit.torch.training", "labkit.lab.notebook", "labkit.report.papermill_run"]
)
def test_importing_says_nothing(module: str) -> None:
    done = run_python(f"import {module}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_stderr_works_again_after_tensorflow_was_silenced() -> None:
    done = run_python(
        "import os, sys, labkit.keras.quiet_tensorflow; print('one', file=sys.stderr); os.write(2, b'two')"
    )
    assert done.stderr in ("one\ntwo", "twoone\n")


FRAMEWORKS = "assert not {'torch', 'tensorflow', 'keras', 'triton'} & set(sys.modules), 'a framework was imported'"


def test_labkit_and_its_list_import_no_framework() -> None:
    assert run_python(f"import sys, labkit; {FRAMEWORKS}").returncode == 0
    listing = (
        "import sys, labkit.cli\ntry: labkit.cli.main(['list'])\nexcept SystemExit as end: assert not end.code\n"
    ) + FRAMEWORKS
    done = run_python(listing)
    assert done.returncode == 0, done.stderr


def test_keras_is_imported_without_torch_and_torch_without_tensorflow() -> None:
    assert run_python("import sys, labkit.keras.saving; assert 'torch' not in sys.modules").returncode == 0
    assert run_python("import sys, labkit.torch.saving; assert 'tensorflow' not in sys.modules").returncode == 0


def test_what_labkit_offers_is_there_on_first_use() -> None:
    code = "import labkit; [getattr(labkit, name) for name in labkit.__all__]; labkit.nothing"
    done = run_python(code)
    assert "AttributeError: module 'labkit' has no attribute 'nothing'" in done.stderr
    assert re.search("'labkit' has no attribute '(?!nothing)", done.stderr) is None


# Processor time, not wall time: the tests share the machine


def test_importing_labkit_is_quick() -> None:
    code = "import time; start = time.process_time(); import labkit; print(time.process_time() - start)"
    assert min(float(run_python(code).stdout) for _ in range(5)) < 0.3


def test_listing_the_runs_is_quick() -> None:
    def seconds() -> float:
        before = os.times()
        assert run_command(labkit_command("list")).returncode == 0
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    assert min(seconds() for _ in range(5)) < 0.7


def test_a_keras_run_imports_no_pytorch_to_look_for_a_gpu() -> None:
    code = """
import sys
from labkit import find_run
from labkit.runs import train_run as single_run
single_run.load_mnist = sys.exit  # the plan is settled by then
try:
    single_run.train_run(find_run("keras-baseline-5"))
except SystemExit:
    pass
assert "tensorflow" in sys.modules and "torch" not in sys.modules
"""
    done = run_python(code)
    assert done.returncode == 0, done.stderr
