"""The wires of a PyTorch network, by watching one forward pass: its layers, and the functions between them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from labkit.runs.wiring import PIXELS, STEPS, Step, Wire, normalisation

# Functions that leave the numbers alone in evaluation mode
SILENT_FUNCTIONS = ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "contiguous", "clone", "detach")
ACTIVATIONS = ("relu", "relu_", "sigmoid", "sigmoid_", "tanh", "tanh_", "softmax", "log_softmax")
CHANNELS_LAST: Step = {"op": "channels_last"}  # until a flatten follows


def wires(network: nn.Module, layers: Callable[[str, nn.Module], bool], mean: float, std: float) -> dict[str, Wire]:
    """Return the wires of the layers of a network, which is in evaluation mode.

    Parameters
    ----------
    network : nn.Module
    layers : callable
        Tells, by name and module, what counts as a layer.
    mean, std : float
        The normalisation of the pixels.
    """
    parameter = next(network.parameters())
    pixels = torch.zeros(1, 1, 28, 28, device=parameter.device, dtype=parameter.dtype)
    watch = _Watch()
    watch.note(pixels, PIXELS, (normalisation(mean, std),))
    handles = [
        module.register_forward_hook(partial(watch.layer, name))
        for name, module in network.named_modules()
        if layers(name, module)
    ]
    try:
        with torch.no_grad(), watch:
            network(pixels)
    finally:
        for handle in handles:
            handle.remove()
    return watch.wires()


class _Watch(TorchFunctionMode):
    """Sees every call of a PyTorch function; notes which layer a tensor is from, and what was done since."""

    def __init__(self) -> None:
        super().__init__()
        self.origins: dict[int, tuple[str, tuple[Step, ...]]] = {}
        self.tensors: list[Tensor] = []  # kept, so that no id is given twice
        self.found: dict[str, Wire] = {}
        self.after: dict[str, Step] = {}

    def note(self, tensor: Tensor, source: str, steps: tuple[Step, ...]) -> None:
        self.tensors.append(tensor)
        self.origins[id(tensor)] = (source, steps)

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        output = function(*args, **(kwargs or {}))
        origin = self.origins.get(id(args[0])) if args else None
        if origin is None or not isinstance(output, Tensor):
            return output
        source, steps = origin
        done = _steps_of(getattr(function, "__name__", ""), args, kwargs or {}, output, steps)
        if done is not None:
            self.note(output, source, done)
            if not steps and done and done[0]["op"] not in ("flatten", "channels_last"):
                self.after.setdefault(source, done[0])
        elif output is args[0]:
            del self.origins[id(output)]  # changed in place by something unknown
        return output

    def layer(self, name: str, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        source, before = self.origins.get(id(inputs[0]), ("", ())) if inputs else ("", ())
        step = _layer_step(module)
        if source and step and all(s["op"] in STEPS for s in before):
            arrays = dict(module.named_parameters()) | dict(module.named_buffers())
            kept = {k: t.detach().cpu().numpy() for k, t in arrays.items() if t.is_floating_point()}
            self.found[name] = Wire(step, source, before, kept)
        else:
            self.found.pop(name, None)
        if isinstance(output, Tensor):
            self.note(output, name, ())

    def wires(self) -> dict[str, Wire]:
        return {
            name: Wire(wire.step, wire.source, wire.before, wire.arrays, self.after.get(name))
            for name, wire in self.found.items()
        }


def _steps_of(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any], output: Tensor, steps: tuple[Step, ...]
) -> tuple[Step, ...] | None:
    """Return the steps to the output of a function, given those to its input; None for a function that is not known."""
    given = args[0]
    if name in SILENT_FUNCTIONS and not kwargs.get("training", False):
        return steps
    if name in ACTIVATIONS:
        return (*steps, {"op": name.rstrip("_").removeprefix("log_")})
    if name in ("leaky_relu", "leaky_relu_"):
        return (*steps, {"op": "leaky_relu", "slope": kwargs.get("negative_slope", (*args[1:], 0.01)[0])})
    if name == "max_pool2d":
        settings = (
            dict(zip(("kernel_size", "stride", "padding", "dilation", "ceil_mode"), args[1:], strict=False)) | kwargs
        )
        pool = _pool_step(**{key: value for key, value in settings.items() if key != "return_indices"})
        return (*steps, pool) if pool else None
    if name == "permute" and given.dim() == 4 and tuple(_flat(args[1:])) == (0, 2, 3, 1):
        return (*steps, CHANNELS_LAST)
    if name in ("flatten", "view", "reshape") and output.dim() == 2 and len(output) == len(given):
        if given.dim() == 2:
            return steps
        last = bool(steps) and steps[-1] is CHANNELS_LAST
        return (*steps[: len(steps) - last], {"op": "flatten", "channels_last": last})
    return None


def _layer_step(module: nn.Module) -> Step | None:
    """Return what a layer does, or None for one that is not known."""
    match module:
        case nn.Conv2d(groups=1, dilation=(1, 1), padding_mode="zeros"):
            padding = module.padding
            if isinstance(padding, str):
                padding = tuple((size - 1) // 2 * (padding == "same") for size in module.kernel_size)
            return {"op": "conv", "size": [*module.kernel_size], "stride": [*module.stride], "padding": [*padding]}
        case nn.Linear():
            return {"op": "linear"}
        case nn.BatchNorm1d() | nn.BatchNorm2d() if module.running_mean is not None:
            return {"op": "batch_norm", "eps": module.eps}
        case nn.MaxPool2d():
            return _pool_step(module.kernel_size, module.stride, module.padding, module.dilation, module.ceil_mode)
        case nn.LeakyReLU():
            return {"op": "leaky_relu", "slope": module.negative_slope}
        case nn.ReLU() | nn.Sigmoid() | nn.Tanh() | nn.Softmax():
            return {"op": type(module).__name__.lower()}
        case nn.LogSoftmax():
            return {"op": "log_softmax"}
    return None


def _pool_step(
    kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> Step | None:
    if ceil_mode or _pair(dilation) != [1, 1]:
        return None
    size = _pair(kernel_size)
    return {"op": "max_pool", "size": size, "stride": _pair(stride) if stride else size, "padding": _pair(padding)}


def _pair(value: Any) -> list[int]:
    return [value, value] if isinstance(value, int) else list(value)


def _flat(values: tuple[Any, ...]) -> list[Any]:
    return list(values[0]) if len(values) == 1 and not isinstance(values[0], int) else list(values)
