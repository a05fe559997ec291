"""Carry the weights of a Keras network over to its twin in PyTorch."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labkit.base.errors import LabError
from labkit.runs.keras_weights import KerasLayer

Array = NDArray[Any]


def torch_arrays(layer: KerasLayer) -> dict[str, Array]:
    """Return the arrays of one layer under PyTorch's names and in PyTorch's layouts."""
    match layer.kind, layer.arrays:
        case "Conv2D", (kernel, bias):  # from (rows, columns, in, out) to (out, in, rows, columns)
            return {"weight": kernel.transpose(3, 2, 0, 1).copy(), "bias": bias}
        case "Dense", (kernel, bias):  # from (in, out) to (out, in)
            return {"weight": kernel.T.copy(), "bias": bias}
        case "BatchNormalization", (gamma, beta, mean, variance):
            named = {"weight": gamma, "bias": beta, "running_mean": mean, "running_var": variance}
            # PyTorch counts batches for a mode without momentum, which the twin does not use
            return {**named, "num_batches_tracked": np.zeros((), np.int64)}
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
