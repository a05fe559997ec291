"""The fast loops compute what the plain loops compute, to float rounding."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from labkit import torch_training
from labkit.batches import epoch_order
from labkit.data import PIXEL_MEAN, PIXEL_STD, ImageSet
from labkit.torch_dropout import fast_dropout
from labkit.torch_networks import build

IMAGES, BATCH_SIZE, EPOCHS = 600, 128, 2  # the last batch of an epoch is smaller
LEARNING_RATE, MOMENTUM, SEED = 0.01, 0.5, 3


@pytest.fixture(scope="module")
def data() -> ImageSet:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, IMAGES, dtype=np.uint8)
    images = rng.integers(0, 256, (IMAGES, 28, 28), dtype=np.uint8)
    return ImageSet(images, labels, images[:100], labels[:100])


def plain_loop(network: nn.Module, data: ImageSet) -> tuple[list[float], list[float]]:
    """Train as a textbook does: one normalised float image set, one batch after the other.

    Returns the training loss of each epoch and its accuracy.
    """
    torch_training.set_seed(SEED)
    optimizer = torch.optim.SGD(network.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    images = ((torch.from_numpy(data.train_images) / 255 - PIXEL_MEAN) / PIXEL_STD)[:, None]
    labels = torch.from_numpy(data.train_labels).long()
    network.train()
    losses, accuracies = [], []
    for epoch in range(1, EPOCHS + 1):
        total, correct = 0.0, 0
        for chosen in torch.split(torch.from_numpy(epoch_order(IMAGES, SEED, epoch)), BATCH_SIZE):
            optimizer.zero_grad()
            output = network(images[chosen])
            loss = F.nll_loss(output, labels[chosen])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.item() * len(chosen)
            correct += int((output.argmax(1) == labels[chosen]).sum())
        losses.append(total / IMAGES)
        accuracies.append(correct / IMAGES)
    return losses, accuracies


def network_for(name: str, dropout: bool) -> nn.Module:
    network = build(name, "relu", seed=SEED)
    for module in network.modules():
        if isinstance(module, (nn.Dropout, nn.Dropout2d)) and not dropout:
            module.p = 0.0
    return network


def weights(network: nn.Module) -> list[NDArray[np.float32]]:
    return [p.detach().numpy() for p in network.parameters()]


def fast_loop(network: nn.Module, data: ImageSet) -> tuple[list[float], list[float]]:
    history = torch_training.fit(
        network, data, epochs=EPOCHS, learning_rate=LEARNING_RATE, momentum=MOMENTUM, seed=SEED, device="cpu"
    )
    return [e.train_loss for e in history.epochs], [e.train_accuracy for e in history.epochs]


@pytest.mark.parametrize("name", ["lenet-dropout", "deep-bn", "keras-twin"])
def test_fit_does_what_the_plain_loop_does(data: ImageSet, name: str) -> None:
    """In the same memory layout, with dropout: the same random numbers in the same order.

    Large dropout masks are drawn as `fit` draws them; `test_torch_dropout.py` holds them against PyTorch's.
    """
    plain, fast = network_for(name, dropout=True), network_for(name, dropout=True)
    with fast_dropout(plain):
        losses, accuracies = plain_loop(plain.to(memory_format=torch.channels_last), data)
    fast_losses, fast_accuracies = fast_loop(fast, data)
    np.testing.assert_allclose(fast_losses, losses, rtol=1e-6)
    assert fast_accuracies == accuracies
    for ours, theirs in zip(weights(fast), weights(plain), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


# On the CPU, batch normalisation in the channels-last layout adds up its means and variances one value after the other
# in single precision: for the twin's 86,528 values a channel, that leaves three correct digits.
@pytest.mark.parametrize(("name", "tolerance"), [("lenet-dropout", 2e-5), ("deep-bn", 2e-4), ("keras-twin", 2e-2)])
def test_the_memory_layout_changes_the_losses_by_rounding_only(data: ImageSet, name: str, tolerance: float) -> None:
    losses, _ = plain_loop(network_for(name, dropout=False), data)
    fast_losses, _ = fast_loop(network_for(name, dropout=False), data)
    np.testing.assert_allclose(fast_losses, losses, rtol=tolerance)
