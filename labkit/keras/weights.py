"""The weights of a network as a checksum, and its architecture as a text."""

from labkit.keras.quiet_tensorflow import keras
from labkit.runs.states import hash_arrays


def weights_sha256(network: keras.Model) -> str:
    """Return the SHA-256 of all weights: equal exactly when two networks are bitwise the same."""
    return hash_arrays(network.get_weights())


def describe(network: keras.Model) -> str:
    """Return a text that changes when the network does: the settings of its layers, without their names."""
    layers = []
    for layer in network.layers:
        config = {k: v for k, v in layer.get_config().items() if k not in ("name", "seed")}
        layers.append(f"{type(layer).__name__} {config}")
    return "\n".join(layers)
