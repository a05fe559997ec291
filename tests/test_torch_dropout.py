"""Dropout with 16 random bits a value: the probability, the scale, the independence and the gradient of PyTorch's."""

import math
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional as F

from labkit.torch.dropout import LARGE, dropout_mask, fast_dropout

SHAPE = (128, 64, 13, 13)  # of the Keras twin's first dropout


@pytest.mark.parametrize("p", [0.25, 0.5, 0.1, 0.9])
def test_a_value_is_dropped_with_the_probability_and_the_rest_is_scaled(p: float) -> None:
    torch.manual_seed(1)
    mask = dropout_mask(torch.empty(SHAPE), p)
    dropped = int((mask == 0).sum())
    deviation = math.sqrt(mask.numel() * p * (1 - p))
    assert abs(dropped - p * mask.numel()) < 4 * deviation
    kept = mask[mask != 0]
    assert float(kept.min()) == float(kept.max()) == pytest.approx(1 / (1 - p))


def test_neighbours_that_share_a_number_are_independent() -> None:
    """All sixteen patterns of four neighbours are as frequent as independence has it."""
    torch.manual_seed(2)
    kept = (dropout_mask(torch.empty(SHAPE), 0.25) != 0).flatten().view(-1, 4).long()
    counts = torch.bincount(kept @ torch.tensor([8, 4, 2, 1]), minlength=16).double()
    expected = np.array([0.75 ** bin(i).count("1") * 0.25 ** (4 - bin(i).count("1")) for i in range(16)])
    assert stats.chisquare(counts.numpy(), expected * len(kept)).pvalue > 0.001


def test_the_mask_has_the_layout_of_the_inputs_and_depends_on_the_seed_alone() -> None:
    inputs = torch.empty(SHAPE).contiguous(memory_format=torch.channels_last)
    masks = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        masks.append(dropout_mask(inputs, 0.5))
    assert masks[0].shape == inputs.shape
    assert masks[0].stride() == inputs.stride()
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])
    odd = dropout_mask(torch.empty(3, 5, 7), 0.5)  # 105 values: the last number is used in part
    assert odd.shape == (3, 5, 7)


def test_large_inputs_get_this_mask_and_the_gradient_goes_through_what_was_kept() -> None:
    layer = nn.Dropout(0.25)
    inputs = torch.randn(SHAPE, requires_grad=True)
    torch.manual_seed(7)
    with fast_dropout():
        outputs = layer(input=inputs)
    torch.manual_seed(7)
    mask = dropout_mask(inputs, 0.25)
    assert torch.equal(outputs, inputs * mask)
    outputs.sum().backward()
    assert inputs.grad is not None
    assert torch.equal(inputs.grad, mask)


class Halved(nn.Dropout):
    """A layer of a user's own, which is not to be replaced."""

    def forward(self, input: Tensor) -> Tensor:
        return input / 2


@pytest.mark.parametrize(
    ("layer", "inputs"),
    [
        (nn.Dropout(0.5), torch.ones(LARGE - 1)),
        (nn.Dropout(0.5), torch.ones(LARGE, dtype=torch.float64)),
        (nn.Dropout(0.5).eval(), torch.ones(LARGE)),
        (nn.Dropout(0.0), torch.ones(LARGE)),
        (nn.Dropout(1.0), torch.ones(LARGE)),
        (nn.Dropout(0.9999999), torch.ones(LARGE)),
        (nn.Dropout(0.5, inplace=True), torch.ones(LARGE)),
        (nn.Dropout2d(0.5), torch.ones(512, 256, 1, 1)),
        (Halved(0.5), torch.ones(LARGE)),
    ],
)
def test_the_rest_is_left_to_pytorch(layer: nn.Module, inputs: Tensor) -> None:
    torch.manual_seed(5)
    right = layer(inputs.clone())
    torch.manual_seed(5)
    with fast_dropout():
        assert torch.equal(layer(inputs.clone()), right)


def test_it_reaches_the_function_as_well_and_ends_with_the_block() -> None:
    inputs = torch.ones(LARGE)
    drawn = []
    for block in (fast_dropout(), nullcontext()):
        torch.manual_seed(7)
        with block:
            drawn.append(F.dropout(inputs, 0.5))
    torch.manual_seed(7)
    assert torch.equal(drawn[0], dropout_mask(inputs, 0.5))
    assert not torch.equal(drawn[0], drawn[1])
