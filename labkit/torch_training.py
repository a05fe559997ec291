"""Training and testing in PyTorch: one plain loop over epochs and batches.

The whole training set lies on the device as bytes. No DataLoader, no transform an image: on two CPU
cores those cost more than the network itself. `labkit bench` measures what that is worth. Large dropout masks
are drawn by `labkit.torch_dropout`.
"""

import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # before CUDA starts: deterministic matrix products

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from labkit.batches import LOG_EVERY, epoch_order
from labkit.data import PIXEL_MEAN, PIXEL_STD, ImageSet
from labkit.history import Epoch, Evaluation, History
from labkit.memory import keep_freed_memory
from labkit.progress import progress_bar
from labkit.state import (
    Arrays,
    hash_arrays,
    python_random_states,
    restore_python_random_states,
)
from labkit.torch_dropout import fast_dropout
from labkit.training import (
    Recipe,
    StateKeeper,
    batch_losses,
    evaluation_of,
    out_of_memory,
    require_finite,
    require_finite_test,
)

EVALUATION_BATCH = 1000


def pick_device(name: str | None = None) -> torch.device:
    """Return the device with this name, or the fastest one there is: a GPU, else the CPU."""
    if name is not None:
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def set_seed(seed: int) -> None:
    """Seed Python, NumPy and PyTorch, and ask PyTorch for deterministic algorithms."""
    import random

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    # By default that also fills every new tensor with NaN, to show reads of memory that nobody wrote: time for nothing
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


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
    recipe = Recipe(learning_rate, momentum, batch_size, seed, len(data.train_images), _data_hash(data))
    recipe.check()
    target = pick_device(device)
    set_seed(seed)
    keep_freed_memory()
    network.to(target).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), lr=learning_rate, momentum=momentum)
    images = torch.as_tensor(data.train_images, device=target)
    labels = torch.as_tensor(data.train_labels, device=target).long()

    history = History()
    keeper = StateKeeper(state_dir, recipe, describe(network), resume)
    if resume and (state := keeper.newest(epochs)) is not None:
        history = _restore(network, optimizer, *state)
        if len(history) < epochs:
            print(f"going on after epoch {len(history)}")

    batches = -(-len(images) // batch_size)
    bar = progress_bar(total=epochs, description="training", unit="epoch", wanted=progress)
    bar.update(len(history))
    try:
        for epoch in range(len(history) + 1, epochs + 1):
            order = torch.as_tensor(epoch_order(len(images), seed, epoch), device=target)
            losses = np.empty(0)
            correct = 0
            network.train()
            start = time.perf_counter()
            for first in range(0, batches, LOG_EVERY):
                # A hundred batches are gathered at once, and the device is waited for once: not for every batch
                chosen = order[first * batch_size : (first + LOG_EVERY) * batch_size]
                targets = labels[chosen]
                inputs = torch.split(images[chosen], batch_size)
                chunk_losses, outputs = [], []
                with fast_dropout(network):
                    for batch, batch_targets in zip(inputs, torch.split(targets, batch_size), strict=True):
                        log_probabilities = network(normalise(batch, mean, std))
                        loss = F.nll_loss(log_probabilities, batch_targets)
                        optimizer.zero_grad()
                        loss.backward()  # type: ignore[no-untyped-call]
                        optimizer.step()
                        chunk_losses.append(loss.detach())
                        outputs.append(log_probabilities.detach())
                losses = np.append(losses, torch.stack(chunk_losses).double().cpu().numpy())
                correct += int((torch.cat(outputs).argmax(1) == targets).sum())
                require_finite(losses[first:], epoch, first)
                bar.update(len(outputs) / batches)
            seconds = time.perf_counter() - start
            test = evaluate(network, data.test_images, data.test_labels, mean=mean, std=std)
            require_finite_test(test, epoch)
            sizes = np.minimum(batch_size, len(images) - batch_size * np.arange(batches))
            train_loss = float((losses * sizes).sum() / len(images))
            history.epochs.append(Epoch(epoch, train_loss, correct / len(images), test.loss, test.accuracy, seconds))
            history.batch_losses += batch_losses(losses, epoch, batch_size)
            bar.set_postfix(loss=f"{train_loss:.4f}", test=f"{100 * test.accuracy:.2f}%")
            keeper.save(epoch, *_state_of(network, optimizer, history))
    except KeyboardInterrupt:
        if keeper.last is None:
            raise
        # back to the end of the last finished epoch: weights and history belong together
        history = _restore(network, optimizer, *keeper.last)
        print(f"interrupted: {len(history)} of {epochs} epochs are finished and kept")
    except RuntimeError as problem:
        if not is_memory_error(problem):
            raise
        raise out_of_memory(batch_size) from None
    finally:
        bar.close()
    return history


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
    parts = [
        network(normalise(torch.as_tensor(images[i : i + EVALUATION_BATCH], device=device), mean, std))
        for i in range(0, len(images), EVALUATION_BATCH)
    ]
    network.train(was_training)
    log_probabilities = torch.cat(parts)
    losses = F.nll_loss(log_probabilities, torch.as_tensor(labels, device=device).long(), reduction="none")
    return evaluation_of(log_probabilities.exp().cpu().numpy(), labels, losses.cpu().numpy())


def is_memory_error(problem: RuntimeError) -> bool:
    """Tell whether PyTorch ran out of memory: only CUDA has an error class of its own for that."""
    words = ("out of memory", "not enough memory", "can't allocate memory")
    return isinstance(problem, torch.OutOfMemoryError) or any(w in str(problem) for w in words)


def threads() -> int:
    """Return the number of threads that PyTorch computes with on the CPU: another one gives other last bits."""
    return torch.get_num_threads()


def weights_of(network: nn.Module) -> list[NDArray[Any]]:
    """Return every parameter and buffer as an array, in the order of the state dict."""
    return [tensor.detach().cpu().contiguous().numpy() for tensor in network.state_dict().values()]


def weights_sha256(network: nn.Module) -> str:
    """Return the SHA-256 of all weights: equal exactly when two networks are bitwise the same."""
    return hash_arrays(weights_of(network))


def describe(network: nn.Module) -> str:
    """Return a text that changes when the network does: its modules and what its forward computes."""
    modules = [
        f"{name} {type(module).__name__} {module.extra_repr()}" for name, module in list(network.named_modules())[1:]
    ]
    try:
        nodes = torch.fx.symbolic_trace(network).graph.nodes
    except Exception:  # a forward with data-dependent branches cannot be traced: any error may come out
        return "\n".join(modules)
    # names only: neither addresses of functions nor type annotations belong to what is computed
    calls = [f"{n.op} {getattr(n.target, '__name__', n.target)} {n.args} {dict(n.kwargs)}" for n in nodes]
    return "\n".join([*modules, *calls])


def _data_hash(data: ImageSet) -> str:
    return hash_arrays([data.train_images, data.train_labels])


def _state_of(
    network: nn.Module, optimizer: torch.optim.Optimizer, history: History
) -> tuple[Arrays, History, dict[str, Any]]:
    arrays = {f"network.{k}": v.detach().cpu().contiguous().numpy() for k, v in network.state_dict().items()}
    for index, slots in optimizer.state_dict()["state"].items():
        arrays |= {f"optimizer.{index}.{k}": v.cpu().contiguous().numpy() for k, v in slots.items() if v is not None}
    arrays["random.torch"] = torch.get_rng_state().numpy()
    if torch.cuda.is_available():
        arrays["random.cuda"] = torch.cuda.get_rng_state().numpy()
    return arrays, history, python_random_states()


def _restore(network: nn.Module, optimizer: torch.optim.Optimizer, arrays: Arrays, about: dict[str, Any]) -> History:
    tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
    network.load_state_dict({k: tensors[f"network.{k}"] for k in network.state_dict()})
    saved = optimizer.state_dict()
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, slot = name.split(".", 2)
            saved["state"].setdefault(int(index), {})[slot] = tensor
    optimizer.load_state_dict(saved)
    torch.set_rng_state(tensors["random.torch"])
    if "random.cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["random.cuda"])
    restore_python_random_states(about["random"])
    return History.from_dict(about["history"])
