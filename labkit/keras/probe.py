"""Probes for Keras networks: a second model with the same layers that puts out each of them."""

from typing import Any

import numpy as np

from labkit.keras.quiet_tensorflow import keras, tf
from labkit.keras.wiring import wires
from labkit.runs.wiring import Bytes, Floats, Probe

# Layers that do nothing with a single image, or only reshape it
SILENT = (keras.layers.Dropout, keras.layers.Flatten, keras.layers.InputLayer)


def probe(network: Any) -> Probe:
    """Return the probe of a network, reference or just trained.

    Parameters
    ----------
    network : keras.Model
        Takes (n, 28, 28, 1) float32 from 0 to 1, gives probabilities (n, classes). The probe shares its weights.
    """
    layers = [layer for layer in network.layers if not isinstance(layer, SILENT)]
    model = keras.Model(network.inputs[0], [*(layer.output for layer in layers), *network.outputs])
    # compiled: layer by layer it would take ten times as long
    run = tf.function(
        lambda images: model(images, training=False), input_signature=[tf.TensorSpec((1, 28, 28, 1), tf.float32)]
    )

    def look(image: Bytes) -> tuple[Floats, dict[str, Floats]]:
        *outputs, probabilities = run(image[None, :, :, None].astype(np.float32) / 255)
        # Keras keeps the maps last
        maps = {layer.name: np.moveaxis(o[0].numpy(), -1, 0) for layer, o in zip(layers, outputs, strict=True)}
        return probabilities[0].numpy(), maps

    return Probe(look, lambda: wires(network, layers))
