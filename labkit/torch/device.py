"""What a network is trained on: GPU or CPU, random numbers, threads, memory."""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from labkit.runs.plans import cuda_works
from labkit.runs.training import out_of_memory

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # before CUDA starts: deterministic matrix products


def pick_device(name: str | None = None) -> torch.device:
    """Return the device with this name, or the fastest one there is: a GPU that PyTorch can use, else the CPU."""
    if name is not None:
        return torch.device(name)
    if cuda_works():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def set_seed(seed: int) -> None:
    """Seed Python, NumPy and PyTorch, and ask PyTorch for deterministic algorithms in float32."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    # newer GPUs would keep ten bits in convolutions (TF32): on an H200, 13% faster with deep-bn, slower with LeNet
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    # By default that also fills every new tensor with NaN, to show reads of memory that nobody wrote: time for nothing
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def threads() -> int:
    """Return the number of threads that PyTorch computes with on the CPU: another number gives other last bits."""
    return torch.get_num_threads()


@contextmanager
def memory_errors(batch_size: int) -> Iterator[None]:
    """Turn PyTorch's error for a full memory into one line that names the setting to lower."""
    try:
        yield
    except RuntimeError as problem:
        # only CUDA has an error class of its own for that
        words = ("out of memory", "not enough memory", "can't allocate memory")
        if not (isinstance(problem, torch.OutOfMemoryError) or any(word in str(problem) for word in words)):
            raise
        raise out_of_memory(batch_size) from None
