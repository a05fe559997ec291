"""The Keras networks of the report, as its code prints them.

The notebooks define them in a cell of their own, to be read and edited; a test holds both together.
"""

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


def baseline(activation: str) -> Any:
    """Build the report's baseline: two convolution blocks, three dense blocks, 278,858 parameters.

    Takes pixels from 0 to 1, shape (n, 28, 28, 1), gives probabilities (n, 10). Source: figure 3.
    """
    return _network("baseline", activation, conv_blocks=2)


def extra_conv(activation: str) -> Any:
    """Build the baseline with a third convolution block: 119,434 parameters. Source: figure 5.

    Its last feature map is 1x1x64 before Flatten, which is why it has fewer parameters.
    """
    return _network("extra-conv", activation, conv_blocks=3)


def extra_conv_same(activation: str) -> Any:
    """Build extra-conv with padding "same", which leaves a 3x3x64 feature map before Flatten."""
    return _network("extra-conv-same", activation, conv_blocks=3, padding="same")


NETWORKS = {"baseline": baseline, "extra-conv": extra_conv, "extra-conv-same": extra_conv_same}


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
