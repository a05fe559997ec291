"""Testing in PyTorch, and how pixels become network input."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from labkit.data.mnist import PIXEL_MEAN, PIXEL_STD
from labkit.runs.history import Evaluation
from labkit.runs.training import evaluation_of

EVALUATION_BATCH = 1000


def normalise(images: Tensor, mean: float = PIXEL_MEAN, std: float = PIXEL_STD) -> Tensor:
    """Turn grey levels into network input: divide by 255, subtract the mean, divide by the deviation.

    Parameters
    ----------
    images : uint8 tensor, shape (n, 28, 28)
    mean, std : float
        Of the pixels after division by 255; 0 and 1 leave them as Keras takes them.

    Returns
    -------
    float32 tensor, shape (n, 1, 28, 28)
    """
    return images.float().div_(255).sub_(mean).div_(std).unsqueeze(1)


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode for the block, and back into the mode that it was in."""
    was_training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was_training)


@torch.inference_mode()
def evaluate(
    network: nn.Module,
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    *,
    mean: float = PIXEL_MEAN,
    std: float = PIXEL_STD,
) -> Evaluation:
    """Test a network in evaluation mode: dropout off, batch normalisation with its running statistics.

    Parameters
    ----------
    network : nn.Module
        Gives log-probabilities; stays on its device and in the mode it was in.
    images : uint8 array, shape (n, 28, 28)
    labels : uint8 array, shape (n,)
    mean, std : float
        For the normalisation of the pixels, as in training.

    Returns
    -------
    Evaluation
        Mean loss, images classified correctly, and the probabilities.
    """
    device = next(network.parameters()).device
    with evaluating(network):
        parts = [
            network(normalise(torch.as_tensor(images[i : i + EVALUATION_BATCH], device=device), mean, std))
            for i in range(0, len(images), EVALUATION_BATCH)
        ]
    log_probabilities = torch.cat(parts)
    losses = F.nll_loss(log_probabilities, torch.as_tensor(labels, device=device).long(), reduction="none")
    return evaluation_of(log_probabilities.exp().cpu().numpy(), labels, losses.cpu().numpy())
