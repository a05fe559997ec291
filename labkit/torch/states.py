"""The full state of training as arrays: weights, optimizer, random generators."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from labkit.runs.states import Arrays

Generators = dict[str, tuple[Callable[[], Tensor], Callable[[Tensor], None]]]


def training_state(network: nn.Module, optimizer: torch.optim.Optimizer) -> Arrays:
    """Return all that training changes, by name."""
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    for index, slots in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in slots.items() if value is not None}
    tensors |= {f"random.{kind}": get_state() for kind, (get_state, _) in _generators(network).items()}
    return {name: value.detach().cpu().contiguous().numpy() for name, value in tensors.items()}


def restore_training_state(
    network: nn.Module, optimizer: torch.optim.Optimizer, arrays: Arrays, seed: Sequence[int]
) -> None:
    """Go back to a state. One from another kind of device has other random generators: they start anew from `seed`."""
    tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
    network.load_state_dict({name: tensors[f"network.{name}"] for name in network.state_dict()})
    for index, parameter in enumerate(network.parameters()):
        for name in [name for name in tensors if name.startswith(f"optimizer.{index}.")]:
            # in the memory layout of the parameter, in which its gradients come as well
            slot = torch.empty_like(parameter).copy_(tensors[name])
            optimizer.state[parameter][name.split(".", 2)[2]] = slot
    generators = _generators(network)
    if {f"random.{kind}" for kind in generators} == {name for name in tensors if name.startswith("random.")}:
        for kind, (_, set_state) in generators.items():
            set_state(tensors[f"random.{kind}"])
    else:
        torch.manual_seed(int(np.random.default_rng(seed).integers(2**63)))


def _generators(network: nn.Module) -> Generators:
    """Return how to get and to set the state of each generator that training may draw from."""
    generators: Generators = {"cpu": (torch.get_rng_state, torch.set_rng_state)}
    kind = next(network.parameters()).device.type
    if kind != "cpu":
        module = getattr(torch, kind)
        generators[kind] = (module.get_rng_state, module.set_rng_state)
    return generators
