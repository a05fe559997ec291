"""Dropout of large feature maps on the CPU with 16 random bits for each value.

PyTorch draws a random number for each value, one after the other on one core (on processors other than Intel's): for
the 64 feature maps of the Keras twin, a quarter of a training step. Here four values share one number of 64 bits.
Measured with `labkit bench` on 2 cores of an AMD EPYC, four times each: an epoch of the twin takes 13.0 to 13.8 s with
it and 17.1 to 19.4 s without.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import functional as F

LARGE = 1 << 17  # values: for smaller ones PyTorch's own way costs less than a millisecond
_STEPS = 1 << 16

_torch_dropout = F.dropout


@contextmanager
def fast_dropout() -> Iterator[None]:
    """Within the block, draw the masks of large inputs of `F.dropout`, and so of `nn.Dropout`, faster.

    Each value is dropped with probability p (to within 1/131,072; exactly for 0.25 and 0.5), independently of the
    others, and the kept ones are scaled by 1 / (1 - p), as PyTorch does it. The random numbers come from PyTorch's
    generator, so that a seed fixes them, but they are not those that PyTorch would draw. Left to PyTorch: inputs of
    fewer than 131,072 values, other types than float32, other devices than the CPU, evaluation mode, probabilities
    of 0 and above 0.999, `inplace=True`, `Dropout2d` and its like.

    Source: Srivastava and others, "Dropout", 2014, section 10 (kept values are scaled while training).
    """
    # Not a torch.overrides.TorchFunctionMode: it is asked at each of the hundred calls of a training step, which
    # costs lenet-dropout 0.2 ms of 4
    F.dropout = _dropout
    try:
        yield
    finally:
        F.dropout = _torch_dropout


def _dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:  # PyTorch's names
    large = input.device.type == "cpu" and input.dtype == torch.float32 and input.numel() >= LARGE
    if large and training and 0 < p <= 0.999 and not inplace:
        return input * dropout_mask(input, p)
    return _torch_dropout(input, p, training, inplace)


def dropout_mask(inputs: Tensor, p: float) -> Tensor:
    """Return 0 with probability p, else 1 / (1 - p), for each value: float32, in the shape and layout of the inputs."""
    numbers = torch.empty(-(-inputs.numel() // 4), dtype=torch.int64, device=inputs.device).random_(-(1 << 63), None)
    kept = numbers.view(torch.int16)[: inputs.numel()] >= round(p * _STEPS) - _STEPS // 2
    mask = torch.empty_like(inputs)
    # in the order of the memory, whatever the layout: the values are independent of each other
    mask.as_strided((inputs.numel(),), (1,)).copy_(kept).div_(1 - p)
    return mask
