"""The PyTorch twin: with the weights of the Keras baseline it predicts what Keras predicts."""

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from numpy.typing import NDArray

from labkit.base.errors import LabError
from labkit.base.paths import notebooks_dir, reference_dir
from labkit.runs.keras_weights import KerasLayer, keras_probabilities, read_keras_layers
from labkit.runs.registry import find_run

LARGEST_DIFFERENCE = 1e-5  # in probability, over 10,000 images and ten classes

# Processes of their own: no test process holds both frameworks.
SAVE_KERAS = """
import sys
from labkit.keras.saving import save_model
from labkit.keras.networks import build
from labkit.keras.quiet_tensorflow import keras
import numpy as np

network = build("baseline", "relu", seed=3)
random = np.random.default_rng(3)
# away from the initial values: every array must matter, the moving statistics too
network.set_weights([w + random.uniform(0.05, 0.3, w.shape).astype("float32") * (w.ndim == 1)
                     for w in network.get_weights()])
save_model(network, sys.argv[1])
"""

# after `in_torch_layout`, the function of notebook 05
PREDICT_WITH_TORCH = """
import sys
import numpy as np
import torch
from labkit.data.mnist import load_mnist
from labkit.torch.networks import build
from labkit.torch.evaluation import evaluate
from labkit.runs.keras_weights import read_keras_layers

twin = build("keras-twin", "relu")
names = [name for name, module in twin.named_children() if list(module.parameters())]
state = twin.state_dict()
for name, layer in zip(names, read_keras_layers(sys.argv[1]), strict=True):
    for part, array in in_torch_layout(layer).items():
        state[f"{name}.{part}"] = torch.from_numpy(array.copy())
twin.load_state_dict(state)
data = load_mnist()
assert "tensorflow" not in sys.modules
np.save(sys.argv[2], evaluate(twin, data.test_images, data.test_labels, mean=0, std=1).probabilities)
"""


def function_from_notebook(name: str) -> str:
    """Return the source of a function that notebook 05 defines."""
    for cell in nbformat.read(notebooks_dir() / "05_pytorch_equivalents.ipynb", as_version=4).cells:
        if cell.cell_type == "code" and f"def {name}(" in cell.source:
            for node in ast.parse(cell.source).body:
                if isinstance(node, ast.FunctionDef) and node.name == name:
                    return ast.get_source_segment(cell.source, node) or ""
    raise AssertionError(f"notebook 05 defines no {name}")


def in_torch_layout(layer: KerasLayer) -> Any:
    names: dict[str, Any] = {}
    exec(function_from_notebook("in_torch_layout"), names)
    return names["in_torch_layout"](layer)


def in_own_process(code: str, *arguments: Path) -> None:
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def torch_probabilities(model: Path, folder: Path) -> NDArray[np.float32]:
    code = function_from_notebook("in_torch_layout") + PREDICT_WITH_TORCH
    in_own_process(code, model, folder / "torch.npy")
    probabilities: NDArray[np.float32] = np.load(folder / "torch.npy")
    return probabilities


@pytest.fixture(scope="module")
def perturbed_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("twin") / "perturbed.keras"
    in_own_process(SAVE_KERAS, path)
    return path


def test_twin_predicts_what_the_reference_model_predicts(tmp_path: Path) -> None:
    model = reference_dir() / "models" / find_run("keras-baseline-20").model_file
    keras, torch = keras_probabilities(model), torch_probabilities(model, tmp_path)
    assert keras.shape == torch.shape == (10_000, 10)
    assert np.abs(keras - torch).max() < LARGEST_DIFFERENCE
    assert (keras.argmax(axis=1) == torch.argmax(axis=1)).all()


@pytest.mark.slow
def test_twin_agrees_where_no_weight_has_its_initial_value(perturbed_model: Path, tmp_path: Path) -> None:
    keras, torch = keras_probabilities(perturbed_model), torch_probabilities(perturbed_model, tmp_path)
    assert keras.std(axis=0).max() > 0.01  # the images are told apart: the comparison is not of constants
    assert np.abs(keras - torch).max() < LARGEST_DIFFERENCE


def test_layers_come_in_the_order_of_the_network() -> None:
    layers = read_keras_layers(reference_dir() / "models" / find_run("keras-baseline-20").model_file)
    dense = ["Dense", "BatchNormalization"]
    assert [layer.kind for layer in layers] == ["Conv2D", "BatchNormalization"] * 2 + dense * 3 + ["Dense"]
    assert [layer.arrays[0].shape for layer in layers if layer.kind == "Conv2D"] == [(3, 3, 1, 64), (3, 3, 64, 64)]
    assert sum(array.size for layer in layers for array in layer.arrays) == find_run("keras-baseline-20").params


def test_kernels_change_their_layout() -> None:
    kernel = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    weight = in_torch_layout(KerasLayer("Conv2D", (kernel, np.zeros(5, np.float32))))["weight"]
    assert weight.shape == (5, 4, 2, 3)
    assert weight[4, 1, 0, 2] == kernel[0, 2, 1, 4]
    matrix = np.arange(6, dtype=np.float32).reshape(2, 3)
    weight = in_torch_layout(KerasLayer("Dense", (matrix, np.zeros(3, np.float32))))["weight"]
    assert weight.tolist() == [[0, 3], [1, 4], [2, 5]]


def test_mistakes_are_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no such model file"):
        read_keras_layers(tmp_path / "missing.keras")
    with pytest.raises(LabError, match="no such model file"):
        keras_probabilities(tmp_path / "missing.keras")
    torch_model = reference_dir() / "models" / find_run("torch-baseline-5").model_file
    for read in (read_keras_layers, keras_probabilities):
        with pytest.raises(LabError, match="a PyTorch model, not a Keras one"):
            read(torch_model)
