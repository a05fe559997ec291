"""Carry the weights of a Keras network over to PyTorch, without importing either framework.

A `.keras` file is a zip archive: `config.json` names the layers, `model.weights.h5` is an HDF5 file with
their arrays. Keras's own reader is not needed, nor TensorFlow.
"""

import io
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from labkit.archives import model_kind
from labkit.errors import LabError

Array = NDArray[Any]

# Run as a process of its own by `keras_probabilities`: model file and output file are its arguments.
_KERAS_PROCESS = """
import sys
import numpy as np
from labkit.data import load_mnist
from labkit.keras_models import load_model
from labkit.keras_training import evaluate

data = load_mnist()
np.save(sys.argv[2], evaluate(load_model(sys.argv[1]), data.test_images, data.test_labels).probabilities)
"""


@dataclass(frozen=True)
class KerasLayer:
    """A layer with weights, as a `.keras` file holds it.

    Attributes
    ----------
    kind : str
        The Keras class: `Conv2D`, `Dense` or `BatchNormalization`.
    arrays : tuple of float32 arrays
        In the order of Keras. Conv2D: kernel (rows, columns, in, out), bias. Dense: kernel (in, out),
        bias. BatchNormalization: gamma, beta, moving mean, moving variance.
    """

    kind: str
    arrays: tuple[Array, ...]


def read_keras_layers(path: str | Path) -> list[KerasLayer]:
    """Read the layers with weights of a Sequential network, in their order.

    Parameters
    ----------
    path : str or Path
        A `.keras` file.

    Raises
    ------
    LabError
        One line: the file is missing, damaged, no Keras model, or not a Sequential one.
    """
    if model_kind(path) != "keras":
        raise LabError(f"{path}: a PyTorch model, not a Keras one")
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
        weights = io.BytesIO(archive.read("model.weights.h5"))
    if config["class_name"] != "Sequential":
        raise LabError(f"{path}: a {config['class_name']} network; valid is a Sequential one")
    layers = []
    numbered: Counter[str] = Counter()
    with h5py.File(weights) as stored:
        for entry in config["config"]["layers"]:
            kind = entry["class_name"]
            # Keras files a layer under its class and a running number: conv2d, conv2d_1, dense, ...
            name = _snake_case(kind)
            group = f"layers/{name}_{numbered[name]}/vars" if numbered[name] else f"layers/{name}/vars"
            numbered[name] += 1
            if group in stored and len(stored[group]):
                arrays = tuple(stored[f"{group}/{i}"][()] for i in range(len(stored[group])))
                layers.append(KerasLayer(kind, arrays))
    return layers


def _snake_case(class_name: str) -> str:
    """Turn `BatchNormalization` into `batch_normalization` and `Conv2D` into `conv2d`, as Keras does."""
    words = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", re.sub(r"\W+", "", class_name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


def torch_arrays(layer: KerasLayer) -> dict[str, Array]:
    """Return the arrays of one layer under PyTorch's names and in PyTorch's layouts.

    Parameters
    ----------
    layer : KerasLayer

    Returns
    -------
    dict of str to array
        Conv2D: `weight` (out, in, rows, columns), `bias`. Dense: `weight` (out, in), `bias`.
        BatchNormalization: `weight`, `bias`, `running_mean`, `running_var`, `num_batches_tracked`.

    Raises
    ------
    LabError
        The layer is of another kind.
    """
    match layer.kind:
        case "Conv2D":
            kernel, bias = layer.arrays
            return {"weight": kernel.transpose(3, 2, 0, 1).copy(), "bias": bias}
        case "Dense":
            kernel, bias = layer.arrays
            return {"weight": kernel.T.copy(), "bias": bias}
        case "BatchNormalization":
            gamma, beta, mean, variance = layer.arrays
            # PyTorch counts batches for a mode without momentum, which the twin does not use
            counted = np.zeros((), np.int64)
            named = {"weight": gamma, "bias": beta, "running_mean": mean, "running_var": variance}
            return {**named, "num_batches_tracked": counted}
    raise LabError(f"layer {layer.kind}: valid are Conv2D, Dense and BatchNormalization")


def state_arrays(layers: Sequence[KerasLayer], names: Sequence[str]) -> dict[str, Array]:
    """Return the state dict of a PyTorch network whose modules stand in the order of the Keras layers.

    Parameters
    ----------
    layers : sequence of KerasLayer
    names : sequence of str
        The PyTorch modules that take their weights, in the same order: `conv1`, `bn1`, ...

    Raises
    ------
    LabError
        There are more or fewer names than layers.
    """
    if len(layers) != len(names):
        raise LabError(f"{len(names)} module names for {len(layers)} Keras layers with weights")
    return {
        f"{name}.{part}": array
        for name, layer in zip(names, layers, strict=True)
        for part, array in torch_arrays(layer).items()
    }


def keras_probabilities(path: str | Path) -> NDArray[np.float32]:
    """Let Keras itself predict the 10,000 test images, in a process of its own and on the CPU.

    TensorFlow and PyTorch each bring a thread pool and a GPU runtime, and do not get on well in one
    process. The CPU, because GPUs may round the factors of matrix products to 10 bits.

    Parameters
    ----------
    path : str or Path
        A `.keras` file.

    Returns
    -------
    float32 array, shape (10000, 10)

    Raises
    ------
    LabError
        One line: the file cannot be used, or the process failed.
    """
    model_kind(path)  # what is wrong with the file is told before a process is started
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "probabilities.npy"
        command = [sys.executable, "-c", _KERAS_PROCESS, str(path), str(target)]
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            reason = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
            raise LabError(f"{path}: Keras could not predict: {reason[0]}")
        probabilities: NDArray[np.float32] = np.load(target, allow_pickle=False)
    return probabilities
