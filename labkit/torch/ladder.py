"""99% on the test images as fast as possible: a ladder from the plain loop, one change per rung.

Notebook 08 climbs it and writes the loop of its top by hand; `labkit bench` measures the goals.
"""

import itertools
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from labkit.base.memory import keep_freed_memory
from labkit.data.mnist import ImageSet
from labkit.torch.device import pick_device, set_seed
from labkit.torch.evaluation import evaluate, normalise
from labkit.torch.recording import Recorded
from labkit.torch.speed import LikeTorchvision, wait_for

EDGE = 2  # pixels that `crop` takes from each side: only one image in eight has ink there


@dataclass(frozen=True)
class Settings:
    """How a network is trained; what is left out is as in the plain loop.

    All values of the rungs were chosen on validation images.
    """

    in_memory: bool = False  # all images lie in memory as bytes, without a DataLoader
    channels_last: bool = False  # the numbers of one pixel lie side by side
    no_dropout: bool = False  # LeNet without its two dropout layers
    units: tuple[int, int, int] = (
        10,
        20,
        50,
    )  # feature maps of the two convolutions, outputs of the first linear layer
    batch_norm: bool = False  # after both convolutions
    momentum: float = 0.5
    nesterov: bool = False  # the gradient is taken where the momentum leads
    learning_rate: float = 0.01
    one_cycle: bool = False  # the learning rate rises to its peak and falls to 0, instead of staying there
    weight_decay: float = 0.0
    label_smoothing: float = 0.0  # the part of the target that all classes share
    shift: bool = False  # each batch is moved by up to a pixel, at random
    warp: bool = False  # each image is turned by up to 10 degrees and moved by up to 1.5 pixels, at random
    crop: bool = False  # the network sees the inner 24x24 pixels
    stride: bool = False  # the first convolution moves on by two pixels, in place of pooling
    epochs: float = 1.0  # the last one may be a part of one
    batch_size: int = 128


# One change per rung, each on top of those before it
RUNGS: dict[str, dict[str, Any]] = {
    "plain loop": {},
    "images in memory": {"in_memory": True},
    "channels-last": {"channels_last": True},
    "no dropout": {"no_dropout": True},
    "more feature maps": {"units": (16, 32, 128)},
    "batch norm": {"batch_norm": True},
    "momentum 0.9": {"momentum": 0.9},
    "Nesterov": {"nesterov": True},
    "learning rate 0.15": {"learning_rate": 0.15},
    "one-cycle schedule": {"one_cycle": True},
    "weight decay": {"weight_decay": 5e-4},
    "label smoothing": {"label_smoothing": 0.1},
    "random shifts": {"shift": True},
    "24x24 pixels": {"crop": True},
    "stride, not pooling": {"stride": True},
}


def ladder() -> dict[str, Settings]:
    """Return the settings of each rung, from the plain loop up."""
    rungs = itertools.accumulate(RUNGS.values(), lambda below, change: below | change)
    return {name: Settings(**changes) for name, changes in zip(RUNGS, rungs, strict=True)}


TOP = list(ladder().values())[-1]
# Their epochs are those that `labkit.bench.climb` finds with validation images
GOALS = {
    "99.0%": replace(TOP, epochs=1.25),
    "99.5%": replace(TOP, shift=False, warp=True, stride=False, units=(24, 64, 128), epochs=5.0),
}


def without_one() -> dict[str, Settings]:
    """Return the settings of the top rung with one of the changes taken back, for each of them."""
    plain = Settings()
    back = {name: {field: getattr(plain, field) for field in change} for name, change in RUNGS.items() if change}
    left_out = {name: f"with {name[3:]}" if name.startswith("no ") else f"without {name}" for name in back}
    return {left_out[name]: replace(TOP, **fields) for name, fields in back.items()}


def build_small(settings: Settings) -> nn.Module:
    """Build the network of some settings: LeNet with dropout where they are those of the plain loop."""
    first, second, hidden = settings.units
    side = 3 if settings.crop else 4
    return nn.Sequential(
        nn.Conv2d(1, first, 5, stride=2 if settings.stride else 1),
        *([] if settings.stride else [nn.MaxPool2d(2)]),
        *([nn.BatchNorm2d(first)] if settings.batch_norm else []),
        nn.ReLU(),
        nn.Conv2d(first, second, 5),
        *([] if settings.no_dropout else [nn.Dropout2d(0.5)]),
        nn.MaxPool2d(2),
        *([nn.BatchNorm2d(second)] if settings.batch_norm else []),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(second * side**2, hidden),
        nn.ReLU(),
        *([] if settings.no_dropout else [nn.Dropout(0.5)]),
        nn.Linear(hidden, 10),
        nn.LogSoftmax(dim=1),
    )


def warp(batch: Tensor, size: int, degrees: float = 10, pixels: float = 1.5) -> Tensor:
    """Turn and shift each image at random, and keep its inner part.

    Parameters
    ----------
    batch : float32 tensor, shape (n, 1, 28, 28)
    size : int
        Side of the part that is kept, in pixels.
    degrees, pixels : float
        The most that an image is turned and shifted.

    Returns
    -------
    float32 tensor, shape (n, 1, size, size)
    """
    angle = (2 * torch.rand(len(batch), device=batch.device) - 1) * math.radians(degrees)
    shift = (2 * torch.rand(len(batch), 2, device=batch.device) - 1) * pixels / 14  # 28 pixels go from -1 to 1
    cos, sin = angle.cos() * size / 28, angle.sin() * size / 28
    rows = [torch.stack([cos, -sin, shift[:, 0]], 1), torch.stack([sin, cos, shift[:, 1]], 1)]
    grid = F.affine_grid(torch.stack(rows, 1), [len(batch), 1, size, size], align_corners=False)
    return F.grid_sample(batch, grid, padding_mode="border", align_corners=False)


def train_fast(data: ImageSet, settings: Settings, seed: int, device: str | None = None) -> tuple[nn.Module, float]:
    """Train a network on the training images of a data set.

    Parameters
    ----------
    data : ImageSet
        Its test images are not looked at.
    settings : Settings
    seed : int
        Of the initial weights, the order of the images, dropout and the random shifts.
    device : str, optional
        By default the fastest there is.

    Returns
    -------
    network : nn.Module
        In training mode.
    seconds : float
        That the training took, once network and optimizer were there.
    """
    target = pick_device(device)
    set_seed(seed)
    # ten bits are enough here (TF32)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    keep_freed_memory()
    network = build_small(settings).to(target)
    if settings.channels_last:
        network = network.to(memory_format=torch.channels_last)
    recorded = target.type == "cuda"
    optimizer = torch.optim.SGD(
        network.parameters(),
        # a recorded step reads the learning rate where it lies, and only the fused update can
        lr=torch.tensor(settings.learning_rate, device=target) if recorded else settings.learning_rate,
        fused=recorded or None,
        momentum=settings.momentum,
        nesterov=settings.nesterov,
        weight_decay=settings.weight_decay,
    )
    steps = round(settings.epochs * math.ceil(len(data.train_images) / settings.batch_size))
    schedule = _one_cycle(optimizer, settings.learning_rate, steps) if settings.one_cycle else None
    batches = _from_memory(data, settings, target) if settings.in_memory else _from_loader(data, settings, target)

    def train_on(batch: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        loss = F.cross_entropy(network(batch), labels, label_smoothing=settings.label_smoothing)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return ()

    step = Recorded(train_on) if recorded else train_on
    start = time.perf_counter()
    for batch, labels in itertools.islice(batches, steps):
        step(batch, labels)
        if schedule:
            schedule.step()
    wait_for(target)
    return network, time.perf_counter() - start


def _one_cycle(optimizer: torch.optim.Optimizer, peak: float, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
    """Return the schedule: straight up to the peak in a quarter of the steps, straight down to 0 in the rest."""
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer, peak, total_steps=steps, pct_start=0.25, anneal_strategy="linear", cycle_momentum=False
    )


def _from_loader(data: ImageSet, settings: Settings, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    loader = DataLoader(LikeTorchvision(data), batch_size=settings.batch_size, shuffle=True)
    while True:
        for images, labels in loader:
            yield _augmented(images.to(device)[:, 0], settings).unsqueeze(1), labels.to(device)


def _from_memory(data: ImageSet, settings: Settings, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    images = torch.as_tensor(data.train_images, device=device)
    labels = torch.as_tensor(data.train_labels, device=device).long()
    while True:
        for chosen in torch.split(torch.randperm(len(images), device=device), settings.batch_size):
            if settings.warp:
                yield warp(normalise(images[chosen]), 24 if settings.crop else 28), labels[chosen]
            else:
                yield normalise(_augmented(images[chosen], settings)), labels[chosen]


def _augmented(batch: Tensor, settings: Settings) -> Tensor:
    """Shift and crop images (n, 28, 28), as the settings say."""
    if settings.shift:
        batch = torch.roll(batch, torch.randint(-1, 2, (2,)).tolist(), dims=(1, 2))
    return batch[:, EDGE:-EDGE, EDGE:-EDGE] if settings.crop else batch


def accuracy(network: nn.Module, images: NDArray[np.uint8], labels: NDArray[np.uint8], settings: Settings) -> float:
    """Return the share of images that a network trained with these settings classifies correctly, from 0 to 1."""
    seen = images[:, EDGE:-EDGE, EDGE:-EDGE] if settings.crop else images
    return evaluate(network, seen, labels).accuracy
