"""Many seeds at once: replicas of one network, trained together in one batched computation."""

import copy
import time
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap
from torch.nn import functional as F

from labkit.base.errors import LabError
from labkit.base.memory import keep_freed_memory
from labkit.data.mnist import PIXEL_MEAN, PIXEL_STD, ImageSet
from labkit.runs.history import History, Recipe
from labkit.runs.states import hash_arrays
from labkit.runs.training import epoch_order, note_epoch, require_finite
from labkit.torch.device import memory_errors, pick_device, set_seed
from labkit.torch.evaluation import evaluate, normalise
from labkit.torch.recording import Recorded

State = dict[str, Tensor]


def fit_many(
    networks: Sequence[nn.Module],
    data: ImageSet,
    *,
    seeds: Sequence[int],
    epochs: int,
    learning_rate: float,
    momentum: float = 0.0,
    batch_size: int = 128,
    mean: float = PIXEL_MEAN,
    std: float = PIXEL_STD,
    device: str | None = None,
) -> list[History]:
    """Train replicas of one network together, each with its own weights, data order and dropout.

    A replica follows the run that `fit` makes with its seed, to float rounding, where dropout is off.
    With dropout it draws other masks from the same distribution: all replicas share one random generator.

    Parameters
    ----------
    networks : sequence of nn.Module
        Of one architecture, each with its own initial weights. Take (n, 1, 28, 28) float32, give log-probabilities
        (n, classes). Trained in place.
    data : ImageSet
    seeds : sequence of int
        One per network, for its data order. The first one seeds dropout as well.
    epochs, learning_rate, momentum, batch_size, mean, std, device
        As `fit` takes them.

    Returns
    -------
    list of History
        One per network. The seconds of an epoch are those of all replicas together.

    Raises
    ------
    LabError
        The networks and seeds do not match, a setting is out of range, or a loss is not finite.

    Notes
    -----
    Batch normalisation's count of batches, which PyTorch does not use at a fixed momentum, is not updated.
    """
    if not networks or len(networks) != len(seeds):
        raise LabError(f"{len(networks)} networks and {len(seeds)} seeds: valid is one seed for each network")
    count, sums = len(data.train_images), hash_arrays([data.train_images, data.train_labels])
    recipes = [Recipe(learning_rate, momentum, batch_size, seed, epochs, count, sums, mean, std) for seed in seeds]
    for recipe in recipes:
        recipe.check()
    histories = [History(recipe=recipe) for recipe in recipes]
    set_seed(seeds[0])
    keep_freed_memory()
    target = pick_device(device)
    with memory_errors(batch_size):
        replicas = _Replicas([network.to(target).train() for network in networks], learning_rate, momentum)
        images = torch.as_tensor(data.train_images, device=target)
        labels = torch.as_tensor(data.train_labels, device=target).long()

        def train_on(chosen: Tensor) -> tuple[Tensor, Tensor]:
            batch = normalise(images[chosen].flatten(0, 1), mean, std).view(*chosen.shape, 1, 28, 28)
            return replicas.step(batch, labels[chosen])

        step = Recorded(train_on) if target.type == "cuda" else train_on
        for epoch in range(1, epochs + 1):
            rows = np.stack([epoch_order(count, seed, epoch) for seed in seeds])  # one per replica
            orders = torch.as_tensor(rows, device=target)
            start = time.perf_counter()
            losses, correct = [], torch.zeros(len(networks), dtype=torch.int64, device=target)
            for chosen in torch.split(orders, batch_size, dim=1):
                loss, right = step(chosen)
                losses.append(loss)
                correct += right
            by_replica = torch.stack(losses, 1).double().cpu().numpy()
            seconds = time.perf_counter() - start
            replicas.copy_back(networks)
            for index, (network, history) in enumerate(zip(networks, histories, strict=True)):
                require_finite(by_replica[index], epoch)
                test = evaluate(network, data.test_images, data.test_labels, mean=mean, std=std)
                note_epoch(history, by_replica[index], int(correct[index]), test, seconds)
    return histories


class _Replicas:
    """Networks of one architecture as one computation, with their parameters stacked."""

    def __init__(self, networks: Sequence[nn.Module], learning_rate: float, momentum: float) -> None:
        self.parameters, self.buffers = stack_module_state(list(networks))
        self.optimizer = torch.optim.SGD(self.parameters.values(), learning_rate, momentum)
        skeleton = copy.deepcopy(networks[0]).to("meta").train()
        for module in skeleton.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.num_batches_tracked = None  # a number, not a tensor of a replica: `vmap` cannot add to it

        def loss_of(weights: State, state: State, batch: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
            outputs = functional_call(skeleton, (weights, state), (batch,))
            return F.nll_loss(outputs, targets), outputs

        self.gradients_of = vmap(grad_and_value(loss_of, has_aux=True), randomness="different")

    def step(self, batch: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Train each replica on its batch; return the loss of each, and how many of its images were right."""
        gradients, (loss, outputs) = self.gradients_of(self.parameters, self.buffers, batch, targets)
        for name, parameter in self.parameters.items():
            parameter.grad = gradients[name].detach()
        self.optimizer.step()
        return loss.detach(), (outputs.detach().argmax(2) == targets).sum(1)

    @torch.no_grad()
    def copy_back(self, networks: Sequence[nn.Module]) -> None:
        """Copy the weights of the replicas into their networks."""
        for index, network in enumerate(networks):
            for name, parameter in network.named_parameters():
                parameter.copy_(self.parameters[name][index])
            for name, buffer in network.named_buffers():
                buffer.copy_(self.buffers[name][index])
