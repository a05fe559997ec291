"""What a network is trained on: GPU or CPU, random numbers, threads."""

import numpy as np
import torch

from labkit.runs.plans import cuda_works


def pick_device(name: str | None = None) -> torch.device:
    """Return the device with this name, or the fastest one there is: a GPU that PyTorch can use, else the CPU."""
    if name is not None:
        return torch.device(name)
    if cuda_works():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def set_seed(seed: int) -> None:
    """Seed Python, NumPy and PyTorch, and ask PyTorch for deterministic algorithms."""
    import random

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    # By default that also fills every new tensor with NaN, to show reads of memory that nobody wrote: time for nothing
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def threads() -> int:
    """Return the number of threads that PyTorch computes with on the CPU: another one gives other last bits."""
    return torch.get_num_threads()
