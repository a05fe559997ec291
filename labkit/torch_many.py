"""Many seeds at once: replicas of one network, trained together in one batched computation."""

import copy
import time
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap
from torch.nn import functional as F

from labkit.batches import LOG_EVERY, epoch_order
from labkit.data import PIXEL_MEAN, PIXEL_STD, ImageSet
from labkit.errors import LabError
from labkit.history import Epoch, History
from labkit.memory import keep_freed_memory
from labkit.torch_training import evaluate, normalise, pick_device, set_seed
from labkit.training import Recipe, batch_losses, require_finite

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

    A replica follows the run that `torch_training.fit` makes with its seed, to float rounding, where dropout is off.
    With dropout it draws other masks from the same distribution: all replicas share one random generator.

    Parameters
    ----------
    networks : sequence of nn.Module
        Of one architecture, each with its own initial weights. Take (n, 1, 28, 28) float32, give log-probabilities
        (n, classes). Trained in place.
    data : ImageSet
    seeds : sequence of int
        One a network: of its data order. The first one seeds dropout as well.
    epochs, learning_rate, momentum, batch_size, mean, std, device
        As `torch_training.fit` takes them.

    Returns
    -------
    list of History
        One a network. The seconds of an epoch are those of all replicas together.

    Raises
    ------
    LabError
        The networks and seeds do not match, a setting is out of range, or a loss is not finite.

    Notes
    -----
    Batch normalisation's running statistics are updated in each replica. Its count of batches, which PyTorch does not
    use at a fixed momentum, is not.
    """
    if not networks or len(networks) != len(seeds):
        raise LabError(f"{len(networks)} networks and {len(seeds)} seeds: valid is one seed for each network")
    for seed in seeds:
        Recipe(learning_rate, momentum, batch_size, seed, len(data.train_images), "").check()
    set_seed(seeds[0])
    keep_freed_memory()
    target = pick_device(device)
    for network in networks:
        network.to(target).train()
    parameters, buffers = stack_module_state(list(networks))
    velocity = {name: torch.zeros_like(p) for name, p in parameters.items()}
    skeleton = copy.deepcopy(networks[0]).to("meta").train()
    _leave_out_batch_count(skeleton)

    def loss_of(weights: State, state: State, batch: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        outputs = functional_call(skeleton, (weights, state), (batch,))
        return F.nll_loss(outputs, targets), outputs

    gradients_of = vmap(grad_and_value(loss_of, has_aux=True), randomness="different")
    images = torch.as_tensor(data.train_images, device=target)
    labels = torch.as_tensor(data.train_labels, device=target).long()
    batches = -(-len(images) // batch_size)
    histories = [History() for _ in networks]
    for epoch in range(1, epochs + 1):
        # One row a replica
        order = torch.as_tensor(np.stack([epoch_order(len(images), seed, epoch) for seed in seeds]), device=target)
        losses = np.empty((len(networks), 0))
        correct = np.zeros(len(networks), dtype=np.int64)
        start = time.perf_counter()
        for first in range(0, batches, LOG_EVERY):
            chunk_losses, chunk_correct = [], []
            for chosen in torch.split(
                order[:, first * batch_size : (first + LOG_EVERY) * batch_size], batch_size, dim=1
            ):
                batch = normalise(images[chosen].flatten(0, 1), mean, std).view(*chosen.shape, 1, 28, 28)
                targets = labels[chosen]
                gradients, (loss, outputs) = gradients_of(parameters, buffers, batch, targets)
                with torch.no_grad():
                    for name, parameter in parameters.items():
                        velocity[name].mul_(momentum).add_(gradients[name])
                        parameter.sub_(velocity[name], alpha=learning_rate)
                chunk_losses.append(loss.detach())
                chunk_correct.append((outputs.detach().argmax(2) == targets).sum(1))
            losses = np.concatenate([losses, torch.stack(chunk_losses, 1).double().cpu().numpy()], axis=1)
            correct += torch.stack(chunk_correct).sum(0).cpu().numpy()
            for row in losses:
                require_finite(row[first:], epoch, first)
        seconds = time.perf_counter() - start
        sizes = np.minimum(batch_size, len(images) - batch_size * np.arange(batches))
        for index, (network, history) in enumerate(zip(networks, histories, strict=True)):
            _unstack(network, parameters, buffers, index)
            test = evaluate(network, data.test_images, data.test_labels, mean=mean, std=std)
            train_loss = float((losses[index] * sizes).sum() / len(images))
            accuracy = int(correct[index]) / len(images)
            history.epochs.append(Epoch(epoch, train_loss, accuracy, test.loss, test.accuracy, seconds))
            history.batch_losses += batch_losses(losses[index], epoch, batch_size)
    return histories


def _leave_out_batch_count(network: nn.Module) -> None:
    """Batch normalisation adds one to a number that is no tensor of a replica: `vmap` cannot do that in place."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.num_batches_tracked = None


def _unstack(network: nn.Module, parameters: State, buffers: State, index: int) -> None:
    """Copy the weights of one replica back into its network."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.copy_(parameters[name][index])
        for name, buffer in network.named_buffers():
            buffer.copy_(buffers[name][index])
