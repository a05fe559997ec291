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


class PlainBatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]
    """Keras's own batch normalisation: being another class, `fit` does not put its faster one in its place."""


ACTIVATIONS = ("relu", "leaky_relu")


def activation_layer(activation: str) -> Any:
    """Return a fresh activation layer: ReLU, or Leaky ReLU with slope 0.1."""
    return layers.LeakyReLU(negative_slope=LEAKY_SLOPE) if activation == "leaky_relu" else layers.ReLU()


def _network(
    name: str,
    activation: str,
    *,
    pools: tuple[int, ...] = (2, 2),
    padding: str = "valid",
    seen: int = 28,
    normalisation: Callable[[], Any] = layers.BatchNormalization,
) -> Any:
    """Return the report's stack: a convolution block for each of `pools`, the size of its pooling window (1: none)."""
    stack: list[Any] = [keras.Input((28, 28, 1))]
    if seen < 28:
        stack.append(layers.Cropping2D(((0, 28 - seen), (0, 28 - seen))))
    for window in pools:
        stack += [layers.Conv2D(64, 3, padding=padding), activation_layer(activation), normalisation()]
        if window > 1:
            stack.append(layers.MaxPooling2D(window))
        stack.append(layers.Dropout(0.25))
    stack.append(layers.Flatten())
    for _ in range(3):
        stack += [layers.Dense(128), activation_layer(activation), normalisation(), layers.Dropout(0.5)]
    stack.append(layers.Dense(10, activation="softmax"))
    return keras.Sequential(stack, name=name)


# All take pixels from 0 to 1, shape (n, 28, 28, 1), and give probabilities (n, 10)
NETWORKS: dict[str, Callable[[str], Any]] = {
    # the report's figure 3: 278,858 parameters
    "baseline": partial(_network, "baseline"),
    # figure 5: a third convolution block leaves a 1x1x64 feature map before Flatten, hence only 119,434 parameters:
    # a bottleneck, and the last six rows and columns of the image are not seen
    "extra-conv": partial(_network, "extra-conv", pools=(2, 2, 2)),
    # with padding the feature map before Flatten is 3x3x64, and all of the image is seen
    "extra-conv-same": partial(_network, "extra-conv-same", pools=(2, 2, 2), padding="same"),
    # no third pooling: 3x3x64 as well, without zeros around
    "extra-conv-two-pools": partial(_network, "extra-conv-two-pools", pools=(2, 2, 1)),
    # a third pooling that takes all of the 3x3 map: the bottleneck, but hardly a cut edge
    "extra-conv-wide-pool": partial(_network, "extra-conv-wide-pool", pools=(2, 2, 3)),
    # the cut edge, but no bottleneck: the baseline on the part of the image that the extra-conv network sees
    "baseline-22x22": partial(_network, "baseline-22x22", seen=22),
    # what `fit` computes faster, as Keras computes it
    "baseline-plain-bn": partial(_network, "baseline-plain-bn", normalisation=PlainBatchNormalization),
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
