"""The Keras networks of the report, as its code prints them.

The notebooks define them in a cell of their own, to be read and edited; a test holds both together.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from labkit.base.errors import unknown
from labkit.keras.quiet_tensorflow import keras
from labkit.runs.registry import LEAKY_SLOPE

layers = keras.layers

ACTIVATIONS = ("relu", "leaky_relu")


def activation_layer(activation: str) -> Any:
    """Return a fresh activation layer: ReLU, or Leaky ReLU with slope 0.1."""
    return layers.LeakyReLU(negative_slope=LEAKY_SLOPE) if activation == "leaky_relu" else layers.ReLU()


def _conv_block(activation: str, padding: str = "valid") -> list[Any]:
    return [
        layers.Conv2D(64, 3, padding=padding),
        activation_layer(activation),
        layers.BatchNormalization(),
        layers.MaxPooling2D(2),
        layers.Dropout(0.25),
    ]


def _dense_block(activation: str) -> list[Any]:
    return [layers.Dense(128), activation_layer(activation), layers.BatchNormalization(), layers.Dropout(0.5)]


def _network(name: str, activation: str, conv_blocks: int, padding: str = "valid") -> Any:
    stack: list[Any] = [keras.Input((28, 28, 1))]
    for _ in range(conv_blocks):
        stack += _conv_block(activation, padding)
    stack.append(layers.Flatten())
    for _ in range(3):
        stack += _dense_block(activation)
    stack.append(layers.Dense(10, activation="softmax"))
    return keras.Sequential(stack, name=name)


# All take pixels from 0 to 1, shape (n, 28, 28, 1), and give probabilities (n, 10)
NETWORKS: dict[str, Callable[[str], Any]] = {
    # the report's figure 3: 278,858 parameters
    "baseline": partial(_network, "baseline", conv_blocks=2),
    # figure 5: a third convolution block leaves a 1x1x64 feature map before Flatten, hence only 119,434 parameters
    "extra-conv": partial(_network, "extra-conv", conv_blocks=3),
    # with padding the feature map before Flatten is 3x3x64
    "extra-conv-same": partial(_network, "extra-conv-same", conv_blocks=3, padding="same"),
}


def build(network: str, activation: str, seed: int | None = None) -> Any:
    """Build a network with fresh weights.

    Parameters
    ----------
    network : str
        A key of `NETWORKS`.
    activation : str
        `relu` or `leaky_relu`.
    seed : int, optional
        Seeds Python, NumPy and Keras before the weights are drawn.

    Raises
    ------
    LabError
        The network or activation is unknown.
    """
    if network not in NETWORKS:
        raise unknown("Keras network", network, NETWORKS)
    if activation not in ACTIVATIONS:
        raise unknown("activation", activation, ACTIVATIONS)
    if seed is not None:
        keras.utils.set_random_seed(seed)
    return NETWORKS[network](activation)


def count_params(network: Any) -> tuple[int, int]:
    """Return the numbers of all and of trainable parameters."""
    trainable = sum(int(w.shape.num_elements()) for w in network.trainable_weights)
    return int(network.count_params()), trainable
