"""The PyTorch networks of the report, as its code prints them.

The notebooks define them in a cell of their own, to be read and edited; a test holds both together.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from labkit.base.errors import unknown
from labkit.runs.registry import LEAKY_SLOPE
from labkit.torch.ablation import ABLATION_NETWORKS

Activation = Callable[[Tensor], Tensor]

ACTIVATIONS: dict[str, Activation] = {
    "relu": F.relu,
    "leaky_relu": partial(F.leaky_relu, negative_slope=LEAKY_SLOPE),
}


class LeNetDropout(nn.Module):
    """The report's "original model": two 5x5 convolutions with dropout, 21,840 parameters.

    Takes normalised images (n, 1, 28, 28), gives log-probabilities (n, 10). Source: RECIPES.md.
    """

    def __init__(self, activation: str = "relu") -> None:
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        self.conv1 = nn.Conv2d(1, 10, kernel_size=5)
        self.conv2 = nn.Conv2d(10, 20, kernel_size=5)
        self.conv2_drop = nn.Dropout2d(0.5)
        self.fc1 = nn.Linear(320, 50)
        self.fc1_drop = nn.Dropout(0.5)
        self.fc2 = nn.Linear(50, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.activation(F.max_pool2d(self.conv1(x), 2))
        x = self.activation(F.max_pool2d(self.conv2_drop(self.conv2(x)), 2))
        x = x.flatten(1)
        x = self.fc1_drop(self.activation(self.fc1(x)))
        return F.log_softmax(self.fc2(x), dim=1)


class DeepBN(nn.Module):
    """The report's best network: three 3x3 convolutions with batch normalisation. Source: figure 14.

    Takes normalised images (n, 1, 28, 28), gives log-probabilities (n, 10).
    """

    def __init__(self, activation: str = "leaky_relu") -> None:
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        self.conv1 = nn.Conv2d(1, 32, kernel_size=3, padding=1)
        self.bn1 = nn.BatchNorm2d(32)
        self.conv2 = nn.Conv2d(32, 64, kernel_size=3, padding=1)
        self.bn2 = nn.BatchNorm2d(64)
        self.conv3 = nn.Conv2d(64, 128, kernel_size=3, padding=1)
        self.bn3 = nn.BatchNorm2d(128)
        self.conv_drop = nn.Dropout2d(0.25)
        self.fc1 = nn.Linear(1152, 256)
        self.fc1_drop = nn.Dropout(0.5)
        self.fc2 = nn.Linear(256, 128)
        self.fc2_drop = nn.Dropout(0.5)
        self.fc3 = nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.activation(self.bn1(F.max_pool2d(self.conv1(x), 2)))
        x = self.activation(self.bn2(F.max_pool2d(self.conv2(x), 2)))
        x = self.activation(self.bn3(F.max_pool2d(self.conv3(x), 2)))
        x = self.conv_drop(x).flatten(1)
        x = self.fc1_drop(self.activation(self.fc1(x)))
        x = self.fc2_drop(self.activation(self.fc2(x)))
        return F.log_softmax(self.fc3(x), dim=1)


class KerasTwin(nn.Module):
    """The Keras baseline, layer for layer, in PyTorch: same shapes, same order, 278,858 parameters.

    Takes images (n, 1, 28, 28) with pixels from 0 to 1, gives log-probabilities (n, 10). Keras
    flattens rows, columns, channels; PyTorch channels, rows, columns: hence the `permute`.
    """

    def __init__(self, activation: str = "relu") -> None:
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        # Keras: epsilon 1e-3, and momentum 0.99 is the share of the old statistics that is kept
        keras_like: dict[str, Any] = {"eps": 1e-3, "momentum": 0.01}
        self.conv1 = nn.Conv2d(1, 64, kernel_size=3)
        self.bn1 = nn.BatchNorm2d(64, **keras_like)
        self.conv2 = nn.Conv2d(64, 64, kernel_size=3)
        self.bn2 = nn.BatchNorm2d(64, **keras_like)
        self.conv_drop = nn.Dropout(0.25)
        self.fc1 = nn.Linear(1600, 128)
        self.bn3 = nn.BatchNorm1d(128, **keras_like)
        self.fc2 = nn.Linear(128, 128)
        self.bn4 = nn.BatchNorm1d(128, **keras_like)
        self.fc3 = nn.Linear(128, 128)
        self.bn5 = nn.BatchNorm1d(128, **keras_like)
        self.fc_drop = nn.Dropout(0.5)
        self.fc4 = nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_drop(F.max_pool2d(self.bn1(self.activation(self.conv1(x))), 2))
        x = self.conv_drop(F.max_pool2d(self.bn2(self.activation(self.conv2(x))), 2))
        x = x.permute(0, 2, 3, 1).flatten(1)
        x = self.fc_drop(self.bn3(self.activation(self.fc1(x))))
        x = self.fc_drop(self.bn4(self.activation(self.fc2(x))))
        x = self.fc_drop(self.bn5(self.activation(self.fc3(x))))
        return F.log_softmax(self.fc4(x), dim=1)


NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "lenet-dropout": LeNetDropout,
    "deep-bn": DeepBN,
    "keras-twin": KerasTwin,
    **ABLATION_NETWORKS,
}


def build(network: str, activation: str, seed: int | None = None) -> nn.Module:
    """Build a network with fresh weights.

    Parameters
    ----------
    network : str
        A key of `NETWORKS`.
    activation : str
        `relu` or `leaky_relu`.
    seed : int, optional
        Seeds PyTorch before the weights are drawn.

    Raises
    ------
    LabError
        The network or activation is unknown.
    """
    if network not in NETWORKS:
        raise unknown("PyTorch network", network, NETWORKS)
    if activation not in ACTIVATIONS:
        raise unknown("activation", activation, ACTIVATIONS)
    if seed is not None:
        torch.manual_seed(seed)
    return NETWORKS[network](activation)


def count_params(network: nn.Module) -> tuple[int, int]:
    """Return the numbers of all and of trainable parameters."""
    counts = [(p.numel(), p.requires_grad) for p in network.parameters()]
    return sum(n for n, _ in counts), sum(n for n, trainable in counts if trainable)
