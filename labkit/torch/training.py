"""Training in PyTorch: a plain loop over batches.

The whole training set lies on the device as bytes. No DataLoader, no transform for each image: on two CPU cores those
cost more than the network itself, as `labkit bench` measures.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from labkit.base.memory import keep_freed_memory
from labkit.data.mnist import PIXEL_MEAN, PIXEL_STD, ImageSet
from labkit.runs.history import Evaluation, History, Recipe
from labkit.runs.states import Arrays, hash_arrays
from labkit.runs.training import run_epochs
from labkit.torch.device import memory_errors, pick_device, set_seed
from labkit.torch.dropout import fast_dropout
from labkit.torch.evaluation import evaluate, normalise
from labkit.torch.recording import by_recorded_steps
from labkit.torch.states import restore_training_state, training_state
from labkit.torch.weights import describe


def train_epoch(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    images: Tensor,
    labels: Tensor,
    batches: Iterable[Tensor],
    *,
    mean: float = PIXEL_MEAN,
    std: float = PIXEL_STD,
) -> tuple[Tensor, Tensor]:
    """Train a network once on each batch: one epoch, where the batches hold every image once.

    Parameters
    ----------
    network : nn.Module
        Gives log-probabilities. Trained in place.
    optimizer : torch.optim.Optimizer
        Of the network's parameters.
    images : uint8 tensor, shape (n, 28, 28)
    labels : int64 tensor, shape (n,)
    batches : iterable of int64 tensors
        The indices of each batch's images.
    mean, std : float
        For the normalisation of the pixels.

    Returns
    -------
    losses : float32 tensor, shape (batches,)
    correct : int64 tensor, shape ()
        How many images were classified correctly, each before the step that it was part of.
    """
    network.train()
    losses = []
    correct = torch.zeros((), dtype=torch.int64, device=labels.device)
    for batch in batches:
        targets = labels[batch]
        output = network(normalise(images[batch], mean, std))
        loss = F.nll_loss(output, targets)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.detach())  # stays on the device: reading a number would wait for it
        correct += (output.argmax(1) == targets).sum()
    return torch.stack(losses), correct


def fit(
    network: nn.Module,
    data: ImageSet,
    *,
    epochs: int,
    learning_rate: float,
    momentum: float = 0.0,
    batch_size: int = 128,
    seed: int = 1,
    mean: float = PIXEL_MEAN,
    std: float = PIXEL_STD,
    device: str | None = None,
    state_dir: str | Path | None = None,
    resume: bool = False,
    progress: bool | None = None,
) -> History:
    """Train a network with stochastic gradient descent on its negative log-likelihood.

    Parameters
    ----------
    network : nn.Module
        Takes (n, 1, 28, 28) float32, gives log-probabilities (n, classes). Trained in place.
    data : ImageSet
        The network is tested on its test images after every epoch.
    epochs : int
        Passes over the training images, counted from the first epoch of the run.
    learning_rate, momentum : float
    batch_size : int
        Images per step; the last batch of an epoch may be smaller.
    seed : int
        Of the data order and of dropout.
    mean, std : float
        For the normalisation of the pixels.
    device : str, optional
        `cpu`, `cuda`, `mps`; by default the fastest there is.
    state_dir : str or Path, optional
        Where the full state is saved after every epoch.
    resume : bool
        Go on from the newest state in `state_dir` instead of starting again.
    progress : bool, optional
        Show a progress bar; by default when somebody is watching.

    Returns
    -------
    History
        One entry per epoch, and every hundredth batch loss. After Ctrl-C, that of the finished epochs; the network
        goes back to the end of the last one.

    Raises
    ------
    LabError
        A setting is out of range, the loss is not finite, the device ran out of memory, or a state is damaged.

    Notes
    -----
    On a CUDA GPU the step of a full batch is recorded once and played back, with the same results; what a network
    prints while it computes, it prints in the first steps only. See `labkit.torch.recording`.
    """
    sums = hash_arrays([data.train_images, data.train_labels])
    recipe = Recipe(learning_rate, momentum, batch_size, seed, epochs, len(data.train_images), sums, mean, std)
    recipe.check()
    target = pick_device(device)
    set_seed(seed)
    keep_freed_memory()
    architecture = describe(network)
    with memory_errors(batch_size):
        trainer = _Trainer(network.to(target), data, recipe, target)
        return run_epochs(trainer, recipe, architecture, state_dir=state_dir, resume=resume, progress=progress)


class _Trainer:
    """A network in training, for `run_epochs`."""

    def __init__(self, network: nn.Module, data: ImageSet, recipe: Recipe, device: torch.device) -> None:
        if device.type == "cpu":
            network.to(memory_format=torch.channels_last)
        self.network, self.data, self.recipe, self.device = network, data, recipe, device
        self.optimizer = torch.optim.SGD(network.parameters(), lr=recipe.learning_rate, momentum=recipe.momentum)
        self.images = torch.as_tensor(data.train_images, device=device)
        self.labels = torch.as_tensor(data.train_labels, device=device).long()
        self.pixels = pixels = {"mean": recipe.mean, "std": recipe.std}

        def train(batches: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
            return train_epoch(network, self.optimizer, self.images, self.labels, batches, **pixels)

        self.train = by_recorded_steps(train) if device.type == "cuda" else train

    def put(self, order: NDArray[np.int64]) -> Tensor:
        return torch.as_tensor(order, device=self.device)

    def train_epoch(self, batches: Iterable[Tensor]) -> tuple[NDArray[np.float64], int]:
        with fast_dropout():
            losses, correct = self.train(batches)
        return losses.double().cpu().numpy(), int(correct)

    def test(self) -> Evaluation:
        return evaluate(self.network, self.data.test_images, self.data.test_labels, **self.pixels)

    def state(self) -> Arrays:
        return training_state(self.network, self.optimizer)

    def restore(self, arrays: Arrays, epoch: int) -> None:
        restore_training_state(self.network, self.optimizer, arrays, [self.recipe.seed, epoch])
