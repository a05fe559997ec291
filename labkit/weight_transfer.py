"""Carry the weights of a Keras network over to PyTorch; Keras works in a process of its own.

TensorFlow and PyTorch each bring a thread pool and a GPU runtime, and do not get on well in one process.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labkit.archives import model_kind
from labkit.data import load_mnist
from labkit.errors import LabError
from labkit.own_process import run_apart

Array = NDArray[Any]

# GPUs may round the factors of matrix products to 10 bits.
ON_THE_CPU = {"CUDA_VISIBLE_DEVICES": "-1"}


@dataclass(frozen=True)
class KerasLayer:
    """A layer with weights.

    Attributes
    ----------
    kind : str
        The Keras class: `Conv2D`, `Dense` or `BatchNormalization`.
    arrays : tuple of float32 arrays
        In the order of Keras's `get_weights`. Conv2D: kernel (rows, columns, in, out), bias. Dense: kernel
        (in, out), bias. BatchNormalization: gamma, beta, moving mean, moving variance.
    """

    kind: str
    arrays: tuple[Array, ...]


def read_keras_layers(path: str | Path) -> list[KerasLayer]:
    """Read the layers with weights of a network, in their order.

    Parameters
    ----------
    path : str or Path
        A `.keras` file.

    Raises
    ------
    LabError
        One line: the file is missing, damaged, or no Keras model.
    """
    model_kind(path)  # what is wrong with the file is told before a process is started
    return run_apart(_layers, path, ON_THE_CPU)


def _layers(path: str | Path) -> list[KerasLayer]:
    from labkit.keras_models import load_model

    layers = load_model(path).layers
    return [KerasLayer(type(layer).__name__, tuple(layer.get_weights())) for layer in layers if layer.weights]


def keras_probabilities(path: str | Path) -> NDArray[np.float32]:
    """Let Keras itself predict the 10,000 test images.

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
        One line: the file is missing, damaged, or no Keras model.
    """
    model_kind(path)
    return run_apart(_probabilities, path, ON_THE_CPU)


def _probabilities(path: str | Path) -> NDArray[np.float32]:
    from labkit.keras_models import load_model
    from labkit.keras_training import evaluate

    data = load_mnist()
    return evaluate(load_model(path), data.test_images, data.test_labels).probabilities


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
