"""Dropout of large feature maps on the CPU with 16 random bits a value.

PyTorch draws a random number for each value, one after the other on one core (on processors other than Intel's): for
the 64 feature maps of the Keras twin, a quarter of a training step. Here four values share one number of 64 bits.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

LARGE = 1 << 17  # values: for smaller ones PyTorch's own way costs less than a millisecond
_STEPS = 1 << 16


@contextmanager
def fast_dropout(network: nn.Module) -> Iterator[None]:
    """Within the block, let the `nn.Dropout` layers of a network draw the masks of large inputs faster.

    Each value is dropped with the layer's probability (to within 1/131,072; exactly for 0.25 and 0.5), independently
    of the others, and the kept ones are scaled by 1 / (1 - p), as PyTorch does it. The random numbers come from
    PyTorch's generator, so that a seed fixes them, but they are other ones than PyTorch would draw. Left to PyTorch:
    inputs of fewer than 131,072 values, other types than float32, other devices than the CPU, evaluation mode,
    probabilities of 0 and above 0.999, `inplace=True`, `Dropout2d` and its like, layers of a class of their own.

    Parameters
    ----------
    network : nn.Module
        Its layers are as before when the block ends.

    Notes
    -----
    Source: Srivastava and others, "Dropout", 2014, section 10 (kept values are scaled while training).
    """
    layers = [module for module in network.modules() if type(module) is nn.Dropout]
    try:
        for layer in layers:
            layer.__class__ = _FastDropout
        yield
    finally:
        for layer in layers:
            layer.__class__ = nn.Dropout


class _FastDropout(nn.Dropout):
    def forward(self, input: Tensor) -> Tensor:  # PyTorch's name
        large = input.device.type == "cpu" and input.dtype == torch.float32 and input.numel() >= LARGE
        if large and self.training and 0 < self.p <= 0.999 and not self.inplace:
            return input * dropout_mask(input, self.p)
        return super().forward(input)


def dropout_mask(inputs: Tensor, p: float) -> Tensor:
    """Return 0 with probability p, else 1 / (1 - p), for each value: float32, in the shape and layout of the inputs."""
    numbers = torch.empty(-(-inputs.numel() // 4), dtype=torch.int64, device=inputs.device).random_(-(1 << 63), None)
    kept = numbers.view(torch.int16)[: inputs.numel()] >= round(p * _STEPS) - _STEPS // 2
    mask = torch.empty_like(inputs)
    # in the order of the memory, whatever the layout: the values are independent of each other
    mask.as_strided((inputs.numel(),), (1,)).copy_(kept).div_(1 - p)
    return mask
