"""A small Keras network with the layers of the report's, and model files of it that different releases of Keras wrote.

`python tests/tiny_model.py`, in an environment with another Keras, writes the file of that release to `tests/models`.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labkit.keras import networks as keras_networks
from labkit.keras.quiet_tensorflow import keras
from labkit.keras.saving import save_model

layers = keras.layers
MODELS = Path(__file__).parent / "models"


def tiny(activation: str = "relu") -> Any:
    """Build two convolution blocks and a dense one; `load_model` finds it where it is a key of `NETWORKS`."""
    stack: list[Any] = [keras.Input((28, 28, 1))]
    for _ in range(2):
        stack += [
            layers.Conv2D(2, 3),
            keras_networks.activation_layer(activation),
            layers.BatchNormalization(),
            layers.MaxPooling2D(2),
            layers.Dropout(0.25),
        ]
    stack += [layers.Flatten(), layers.Dense(4), keras_networks.activation_layer(activation)]
    return keras.Sequential([*stack, layers.BatchNormalization(), layers.Dense(10, activation="softmax")])


def known_weights(network: Any) -> list[NDArray[np.float32]]:
    """Return the weights that every file holds: no two are equal."""
    random = np.random.default_rng(1)
    return [random.uniform(0.1, 1, w.shape).astype(np.float32) for w in network.get_weights()]


if __name__ == "__main__":
    tiny()  # the layers of the next one are then called conv2d_2, ...
    network = tiny()
    network.set_weights(known_weights(network))
    keras_networks.NETWORKS["tiny"] = tiny
    save_model(network, MODELS / f"keras-{keras.__version__}.keras")
