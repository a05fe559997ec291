"""Probes for PyTorch networks, with forward hooks on their layers."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from labkit.data.mnist import PIXEL_MEAN, PIXEL_STD
from labkit.runs.wiring import Bytes, Floats, Probe, Wire
from labkit.torch.evaluation import evaluating, normalise
from labkit.torch.wiring import wires

# Layers that do nothing in evaluation mode, or only reshape
SILENT = (nn.Dropout, nn.Dropout2d, nn.Identity, nn.Flatten)


@contextmanager
def layer_outputs(network: nn.Module) -> Iterator[dict[str, Tensor]]:
    """Collect what the layers of a network put out, by layer name, while the `with` block runs it.

    What the forward pass does outside of layers (a functional activation or pooling) is not seen.
    """
    outputs: dict[str, Tensor] = {}

    def keep(name: str, _module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        outputs[name] = output

    handles = [
        module.register_forward_hook(partial(keep, name))
        for name, module in network.named_modules()
        if is_layer(name, module)
    ]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def is_layer(_name: str, module: nn.Module) -> bool:
    """Tell whether a module is shown: one without parts of its own, that does something."""
    return not list(module.children()) and not isinstance(module, SILENT)


def probe(network: nn.Module, mean: float = PIXEL_MEAN, std: float = PIXEL_STD) -> Probe:
    """Return the probe of a network, reference or just trained.

    Parameters
    ----------
    network : nn.Module
        Takes (n, 1, 28, 28) float32, gives log-probabilities (n, classes). Stays on its device and in its mode.
    mean, std : float
        For the normalisation of the pixels, as in training.
    """

    @torch.no_grad()
    def look(image: Bytes) -> tuple[Floats, dict[str, Floats]]:
        device = next(network.parameters()).device
        with evaluating(network), layer_outputs(network) as outputs:
            log_probabilities = network(normalise(torch.as_tensor(image[None], device=device), mean, std))
        layers = {name: output[0].cpu().numpy() for name, output in outputs.items()}
        probabilities: Floats = log_probabilities[0].exp().cpu().numpy()
        return probabilities, layers

    def wires_now() -> dict[str, Wire]:
        with evaluating(network):
            return wires(network, is_layer, mean, std)

    return Probe(look, wires_now)
