"""The training epoch does what its formulas say, and `fit` is that epoch, again and again."""

import numpy as np
import pytest
import torch
from torch import nn

from labkit.data.mnist import PIXEL_MEAN, PIXEL_STD, ImageSet
from labkit.runs.training import epoch_order
from labkit.torch import evaluate, set_seed, weights_sha256
from labkit.torch import training as torch_training
from labkit.torch.dropout import fast_dropout
from labkit.torch.networks import build

IMAGES, BATCH_SIZE, EPOCHS = 600, 128, 2  # the last batch of an epoch is smaller
LEARNING_RATE, MOMENTUM, SEED = 0.01, 0.5, 3


@pytest.fixture(scope="module")
def data() -> ImageSet:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, IMAGES, dtype=np.uint8)
    images = rng.integers(0, 256, (IMAGES, 28, 28), dtype=np.uint8)
    return ImageSet(images, labels, images[:100], labels[:100])


def plain_training(network: nn.Module, data: ImageSet) -> list[float]:
    """Train with `train_epoch` alone, as a notebook does; return the training loss of each epoch."""
    set_seed(SEED)
    optimizer = torch.optim.SGD(network.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    images, labels = torch.from_numpy(data.train_images), torch.from_numpy(data.train_labels).long()
    losses = []
    for epoch in range(1, EPOCHS + 1):
        batches = torch.from_numpy(epoch_order(IMAGES, SEED, epoch)).split(BATCH_SIZE)  # type: ignore[no-untyped-call]
        sizes = torch.tensor([len(batch) for batch in batches])
        batch_losses, _ = torch_training.train_epoch(network, optimizer, images, labels, batches)
        losses.append(float((batch_losses * sizes).sum() / IMAGES))
    return losses


def network_for(name: str, dropout: bool) -> nn.Module:
    network = build(name, "relu", seed=SEED)
    for module in network.modules():
        if isinstance(module, (nn.Dropout, nn.Dropout2d)) and not dropout:
            module.p = 0.0
    return network


def fit(network: nn.Module, data: ImageSet) -> list[float]:
    history = torch_training.fit(
        network, data, epochs=EPOCHS, learning_rate=LEARNING_RATE, momentum=MOMENTUM, seed=SEED, device="cpu"
    )
    return [e.train_loss for e in history.epochs]


def test_an_epoch_takes_the_steps_of_gradient_descent_with_momentum(data: ImageSet) -> None:
    """By hand, in double precision: velocity, then weight, batch by batch."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.LogSoftmax(dim=1))
    weight, bias = (p.detach().double().requires_grad_() for p in network.parameters())
    batches = [torch.arange(0, 300), torch.arange(300, 400)]
    images = ((torch.from_numpy(data.train_images).double() / 255 - PIXEL_MEAN) / PIXEL_STD).flatten(1)
    labels = torch.from_numpy(data.train_labels).long()
    losses, right, velocity = [], 0, [torch.zeros_like(weight), torch.zeros_like(bias)]
    for batch in batches:
        logits = images[batch] @ weight.T + bias
        loss = (logits.logsumexp(1) - logits[torch.arange(len(batch)), labels[batch]]).mean()
        velocity = [MOMENTUM * v + g for v, g in zip(velocity, torch.autograd.grad(loss, [weight, bias]), strict=True)]
        weight, bias = (
            (p - LEARNING_RATE * v).detach().requires_grad_() for p, v in zip([weight, bias], velocity, strict=True)
        )
        losses.append(loss.item())
        right += int((logits.argmax(1) == labels[batch]).sum())

    network.eval()  # an epoch puts it into training mode by itself
    optimizer = torch.optim.SGD(network.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    bytes_of_images = torch.from_numpy(data.train_images)
    found, correct = torch_training.train_epoch(network, optimizer, bytes_of_images, labels, batches)
    assert network.training
    assert int(correct) == right
    np.testing.assert_allclose(found.numpy(), losses, rtol=1e-5)
    for ours, exact in zip(network.parameters(), (weight, bias), strict=True):
        np.testing.assert_allclose(ours.detach().numpy(), exact.detach().numpy(), rtol=1e-4, atol=1e-6)


def test_fit_trains_and_tests_with_the_normalisation_that_it_was_given(data: ImageSet) -> None:
    networks = [build("lenet-dropout", "relu", SEED) for _ in range(2)]
    torch_training.fit(networks[0], data, epochs=1, learning_rate=LEARNING_RATE)
    history = torch_training.fit(networks[1], data, epochs=1, learning_rate=LEARNING_RATE, mean=0, std=1)
    assert weights_sha256(networks[0]) != weights_sha256(networks[1])
    tested = evaluate(networks[1], data.test_images, data.test_labels, mean=0, std=1)
    assert history.epochs[-1].test_loss == pytest.approx(tested.loss, rel=1e-6)
    by_default = evaluate(networks[1], data.test_images, data.test_labels)
    assert history.epochs[-1].test_loss != pytest.approx(by_default.loss, rel=1e-6)
    assert (history.recipe.mean, history.recipe.std) == (0, 1)


@pytest.mark.parametrize("name", ["lenet-dropout", "deep-bn", "keras-twin"])
def test_fit_gives_the_weights_of_the_epochs_that_a_notebook_shows(data: ImageSet, name: str) -> None:
    """In the same memory layout, with dropout: bitwise. Large dropout masks are drawn as `fit` draws them."""
    plain, fitted = network_for(name, dropout=True), network_for(name, dropout=True)
    with fast_dropout():
        losses = plain_training(plain.to(memory_format=torch.channels_last), data)
    np.testing.assert_allclose(fit(fitted, data), losses, rtol=1e-6)
    assert weights_sha256(fitted) == weights_sha256(plain)


# On the CPU, batch normalisation in the channels-last layout adds up its means and variances one value after the other
# in single precision: for the twin's 86,528 values per channel, that leaves three correct digits.
@pytest.mark.parametrize(("name", "tolerance"), [("lenet-dropout", 2e-5), ("deep-bn", 2e-4), ("keras-twin", 2e-2)])
def test_the_memory_layout_changes_the_losses_by_rounding_only(data: ImageSet, name: str, tolerance: float) -> None:
    losses = plain_training(network_for(name, dropout=False), data)
    np.testing.assert_allclose(fit(network_for(name, dropout=False), data), losses, rtol=tolerance)
