"""What a PyTorch notebook asks of Keras, which answers in a process of its own.

TensorFlow and PyTorch each bring a thread pool and a GPU runtime, and do not get on well in one process."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labkit.base.own_process import run_apart
from labkit.data.mnist import load_mnist
from labkit.runs.frameworks import framework, test_model
from labkit.runs.model_files import read_label

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
    arrays: tuple[NDArray[Any], ...]


def read_keras_layers(path: str | Path) -> list[KerasLayer]:
    """Read the layers with weights from a `.keras` file, in their order.

    Raises
    ------
    LabError
        One line: the file is missing, damaged, or no Keras model.
    """
    read_label(path, "keras")  # a fault of the file is reported before a process is started
    return run_apart(_layers, path, ON_THE_CPU)


def _layers(path: str | Path) -> list[KerasLayer]:
    layers = framework("keras").load_model(path).layers
    return [KerasLayer(type(layer).__name__, tuple(layer.get_weights())) for layer in layers if layer.weights]


def keras_probabilities(path: str | Path) -> NDArray[np.float32]:
    """Let Keras itself predict the 10,000 test images with a `.keras` file.

    Returns
    -------
    float32 array, shape (10000, 10)

    Raises
    ------
    LabError
        One line: the file is missing, damaged, or no Keras model.
    """
    read_label(path, "keras")
    return run_apart(_probabilities, path, ON_THE_CPU)


def _probabilities(path: str | Path) -> NDArray[np.float32]:
    return test_model(path, load_mnist()).probabilities
