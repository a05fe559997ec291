"""The weights of a network as a checksum, and its architecture as a text."""

import torch
from torch import nn

from labkit.runs.states import hash_arrays


def weights_sha256(network: nn.Module) -> str:
    """Return the SHA-256 of all weights: equal exactly when two networks are bitwise the same."""
    return hash_arrays(tensor.detach().cpu().contiguous().numpy() for tensor in network.state_dict().values())


def describe(network: nn.Module) -> str:
    """Return a text that changes when the network does: its modules and what its forward computes."""
    modules = [
        f"{name} {type(module).__name__} {module.extra_repr()}" for name, module in list(network.named_modules())[1:]
    ]
    try:
        nodes = torch.fx.symbolic_trace(network).graph.nodes
    except Exception:  # a forward with data-dependent branches cannot be traced: any error may come out
        return "\n".join(modules)
    # names only: neither addresses of functions nor type annotations belong to what is computed
    calls = [f"{n.op} {getattr(n.target, '__name__', n.target)} {n.args} {dict(n.kwargs)}" for n in nodes]
    return "\n".join([*modules, *calls])
