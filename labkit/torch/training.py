"""Training and testing in PyTorch: a plain loop over batches.

The whole training set lies on the device as bytes. No DataLoader, no transform for each image: on two CPU
cores those cost more than the network itself. `labkit bench` measures what that is worth.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # before CUDA starts: deterministic matrix products

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from labkit.base.memory import keep_freed_memory
from labkit.data.mnist import PIXEL_MEAN, PIXEL_STD, ImageSet
from labkit.runs.history import Evaluation, History, Recipe
from labkit.runs.states import Arrays, hash_arrays
from labkit.runs.training import evaluation_of, out_of_memory, run_epochs
from labkit.torch.device import pick_device, set_seed
from labkit.torch.dropout import fast_dropout
from labkit.torch.weights import describe

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
        Trained on its training images; tested on its test images after every epoch.
    epochs : int
        Passes over the training images, counted from the first epoch of the run.
    learning_rate, momentum : float
    batch_size : int
        Images a step; the last batch of an epoch may be smaller.
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
        Show a progress bar; by default when somebody watches.

    Returns
    -------
    History
        One entry an epoch, and every hundredth batch loss. Also when training was interrupted with
        Ctrl-C: the epochs that were finished, and the network goes back to the end of the last one.

    Raises
    ------
    LabError
        A setting is out of range, the loss is not finite, the device ran out of memory, or a state is
        damaged.
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
        self.pixels = {"mean": recipe.mean, "std": recipe.std}

    def put(self, order: NDArray[np.int64]) -> Tensor:
        return torch.as_tensor(order, device=self.device)

    def train_epoch(self, batches: Iterable[Tensor]) -> tuple[NDArray[np.float64], int]:
        with fast_dropout():
            losses, correct = train_epoch(
                self.network, self.optimizer, self.images, self.labels, batches, **self.pixels
            )
        return losses.double().cpu().numpy(), int(correct)

    def test(self) -> Evaluation:
        return evaluate(self.network, self.data.test_images, self.data.test_labels, **self.pixels)

    def state(self) -> Arrays:
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        for index, slots in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in slots.items() if value is not None}
        tensors |= {f"random.{kind}": generator() for kind, (generator, _) in self._generators().items()}
        return {name: value.detach().cpu().contiguous().numpy() for name, value in tensors.items()}

    def restore(self, arrays: Arrays, epoch: int) -> None:
        tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
        self.network.load_state_dict({name: tensors[f"network.{name}"] for name in self.network.state_dict()})
        for index, parameter in enumerate(self.network.parameters()):
            for name in [name for name in tensors if name.startswith(f"optimizer.{index}.")]:
                # in the memory layout of the parameter, in which its gradients come as well
                self.optimizer.state[parameter][name.split(".", 2)[2]] = torch.empty_like(parameter).copy_(
                    tensors[name]
                )
        generators = self._generators()
        if {f"random.{kind}" for kind in generators} == {name for name in tensors if name.startswith("random.")}:
            for kind, (_, set_state) in generators.items():
                set_state(tensors[f"random.{kind}"])
        else:  # of another kind of device, whose dropout draws other numbers: start anew from seed and epoch
            torch.manual_seed(int(np.random.default_rng([self.recipe.seed, epoch]).integers(2**63)))

    def _generators(self) -> dict[str, tuple[Any, Any]]:
        """Return how to get and to set the state of each generator that training may draw from."""
        generators: dict[str, tuple[Any, Any]] = {"cpu": (torch.get_rng_state, torch.set_rng_state)}
        if self.device.type != "cpu":
            module = getattr(torch, self.device.type)
            generators[self.device.type] = (module.get_rng_state, module.set_rng_state)
        return generators


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
    was_training = network.training
    network.eval()
    try:
        parts = [
            network(normalise(torch.as_tensor(images[i : i + EVALUATION_BATCH], device=device), mean, std))
            for i in range(0, len(images), EVALUATION_BATCH)
        ]
    finally:
        network.train(was_training)
    log_probabilities = torch.cat(parts)
    losses = F.nll_loss(log_probabilities, torch.as_tensor(labels, device=device).long(), reduction="none")
    return evaluation_of(log_probabilities.exp().cpu().numpy(), labels, losses.cpu().numpy())
