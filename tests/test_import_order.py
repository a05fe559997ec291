"""TensorFlow and PyTorch in one process, in every order: the crash that labkit must prevent. Importing is cheap.

Each case is a process of its own: the crash is a segmentation fault.
"""

import pytest
from helpers import run_python

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


@pytest.mark.parametrize("module", ["labkit.lab.notebook", "labkit.report.papermill_run"])
def test_importing_says_nothing(module: str) -> None:
    done = run_python(f"import {module}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_keras_is_imported_silently_and_without_torch() -> None:
    code = """
import os, sys
import labkit.keras.training, labkit.keras.saving
assert "torch" not in sys.modules
print("one", file=sys.stderr)  # turned away only while TensorFlow starts
os.write(2, b"two")
"""
    done = run_python(code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "one\ntwo")


def test_torch_is_imported_silently_and_without_tensorflow() -> None:
    done = run_python("import sys, labkit.torch.training, labkit.torch.saving; assert 'tensorflow' not in sys.modules")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_labkit_and_its_list_import_nothing_that_takes_long() -> None:
    """Neither a framework nor a library that takes a good part of a second."""
    slow = {"torch", "tensorflow", "keras", "triton", "numpy", "pandas", "matplotlib", "scipy", "statsmodels"}
    slow |= {"IPython", "papermill", "tqdm", "h5py"}
    code = f"""
import sys, labkit.cli
try:
    labkit.cli.main(["list"])
except SystemExit as end:
    assert not end.code
found = set({sorted(slow)}) & set(sys.modules)
assert not found, found
"""
    done = run_python(code)
    assert (done.returncode, done.stderr) == (0, "")


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
