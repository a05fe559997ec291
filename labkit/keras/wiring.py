"""The wires of a Keras network, from its graph of layers."""

from collections.abc import Sequence
from typing import Any

from labkit.keras.quiet_tensorflow import keras
from labkit.runs.wiring import PIXELS, Floats, Step, Wire, normalisation

layers = keras.layers
ACTIVATIONS = ("relu", "sigmoid", "tanh", "softmax")
# Keras's weights by PyTorch's names
BATCH_NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


def wires(network: Any, shown: Sequence[Any]) -> dict[str, Wire]:
    """Return the wires of the layers `shown` of a network; the others leave the numbers alone, or only reshape them."""
    origins: dict[int, tuple[str, tuple[Step, ...]]] = {id(network.inputs[0]): (PIXELS, (normalisation(0.0, 1.0),))}
    found = {}
    for layer in network.layers:
        origin = origins.get(id(layer.input))
        if layer not in shown:
            if origin is not None:
                source, before = origin
                flat: Step = {"op": "flatten", "channels_last": True}
                more = (flat,) if isinstance(layer, layers.Flatten) and len(layer.input.shape) == 4 else ()
                origins[id(layer.output)] = (source, (*before, *more))
            continue
        step = _layer_step(layer)
        if origin is not None and step is not None:
            source, before = origin
            found[layer.name] = Wire(step, source, before, _arrays(layer))
        origins[id(layer.output)] = (layer.name, ())
    return found


def _layer_step(layer: Any) -> Step | None:
    """Return what a layer does, or None for one that is not known."""
    match layer:
        case layers.Conv2D(groups=1, dilation_rate=(1, 1), data_format="channels_last"):
            padding = _padding(layer, layer.kernel_size)
            step: Step = {"op": "conv", "size": [*layer.kernel_size], "stride": [*layer.strides], "padding": padding}
            return _with_activation(step, layer)
        case layers.Dense():
            return _with_activation({"op": "linear"}, layer)
        case layers.BatchNormalization():
            return {"op": "batch_norm", "eps": layer.epsilon}
        case layers.MaxPooling2D(data_format="channels_last"):
            size, padding = [*layer.pool_size], _padding(layer, layer.pool_size)
            return {"op": "max_pool", "size": size, "stride": [*layer.strides], "padding": padding}
        case layers.LeakyReLU():
            return {"op": "leaky_relu", "slope": float(layer.negative_slope)}
        case layers.ReLU(max_value=None, threshold=0) if not layer.negative_slope:
            return {"op": "relu"}
        case layers.Softmax():
            return {"op": "softmax"}
        case layers.Activation() if layer.activation.__name__ in ACTIVATIONS:
            return {"op": layer.activation.__name__}
    return None


def _with_activation(step: Step, layer: Any) -> Step | None:
    """Return the step of a layer that has an activation of its own, which can be none at all."""
    name = layer.activation.__name__
    if name == "linear":
        return step
    return {**step, "activation": {"op": name}} if name in ACTIVATIONS else None


def _padding(layer: Any, window: Sequence[int]) -> list[int]:
    """Return the zeros above and at the left: of an odd number, `same` puts the smaller half there."""
    if layer.padding == "valid":
        return [0, 0]
    sides = zip(layer.input.shape[1:3], window, layer.strides, strict=True)
    return [max((-(-side // stride) - 1) * stride + size - side, 0) // 2 for side, size, stride in sides]


def _arrays(layer: Any) -> dict[str, Floats]:
    """Return the weights of a layer as PyTorch has them: the first axis counts the maps."""
    if isinstance(layer, layers.BatchNormalization):
        present = {theirs: getattr(layer, ours, None) for ours, theirs in BATCH_NORM.items()}
    elif isinstance(layer, layers.Conv2D | layers.Dense):
        present = {"weight": layer.kernel, "bias": layer.bias}
    else:
        return {}
    arrays = {name: a.value.numpy() for name, a in present.items() if a is not None}
    if isinstance(layer, layers.Conv2D):
        arrays["weight"] = arrays["weight"].transpose(3, 2, 0, 1)
    elif isinstance(layer, layers.Dense):
        arrays["weight"] = arrays["weight"].T
    return arrays
