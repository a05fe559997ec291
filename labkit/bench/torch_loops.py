"""What `labkit bench` measures in PyTorch: this project's loop, and the DataLoader loop that most people write."""

import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader

from labkit.data.mnist import ImageSet
from labkit.runs.registry import BATCH_SIZE
from labkit.torch.device import pick_device, set_seed
from labkit.torch.networks import NETWORKS
from labkit.torch.speed import LikeTorchvision, flops_of_batch, matmul_rate, wait_for
from labkit.torch.training import fit

__all__ = ["flops_of_batch", "gpu_memory", "matmul_rate", "timer"]

WARM_UP_BATCHES = 5


def fast_timer(name: str, data: ImageSet, batches: int) -> Callable[[], float]:
    """Return a function that trains on `batches` batches with `labkit.torch.fit` and returns the seconds."""
    network = NETWORKS[name]()
    part = replace(
        data.first(batches * BATCH_SIZE), test_images=data.test_images[:1000], test_labels=data.test_labels[:1000]
    )

    def measure() -> float:
        history = fit(network, part, epochs=1, learning_rate=0.01, momentum=0.5, progress=False)
        return history.epochs[0].seconds

    return measure


def loader_timer(name: str, data: ImageSet, batches: int, workers: int) -> Callable[[], float]:
    """Return a function that trains on `batches` batches with a DataLoader and returns the seconds.

    The loop is that of PyTorch's MNIST example. Unless a whole epoch is measured, the clock starts after the
    first batches, so that starting the workers does not count.
    """
    device = pick_device()
    torch.manual_seed(1)
    network = NETWORKS[name]().to(device)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.5)
    loader = DataLoader(LikeTorchvision(data), batch_size=BATCH_SIZE, shuffle=True, num_workers=workers)
    skipped = WARM_UP_BATCHES if batches + WARM_UP_BATCHES <= len(loader) else 0

    def measure() -> float:
        network.train()
        start = time.perf_counter()
        for index, (images, labels) in enumerate(loader):
            if index == skipped:
                wait_for(device)
                start = time.perf_counter() if skipped else start
            images, labels = images.to(device), labels.to(device)
            optimizer.zero_grad()
            loss = F.nll_loss(network(images), labels)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if index % 100 == 0:
                loss.item()
            if index + 1 == skipped + batches:
                break
        wait_for(device)
        return time.perf_counter() - start

    return measure


def gpu_memory() -> float:
    """Return the most memory of a CUDA GPU that this process has used so far, in MiB; 0 without one."""
    return torch.cuda.max_memory_allocated() / (1 << 20) if torch.cuda.is_available() else 0.0


def timer(loop: str, name: str, data: ImageSet, batches: int) -> Callable[[], float]:
    """Return the function that measures one of the loops: `labkit`, `DataLoader, 0 workers` or `..., 2 workers`."""
    set_seed(1)  # TF32 off in all loops, as in the matrix product: shares of its rate must be of one precision
    if loop == "labkit":
        return fast_timer(name, data, batches)
    # PyTorch's own default
    torch.use_deterministic_algorithms(False)
    return loader_timer(name, data, batches, workers=int(loop.split()[1]))
