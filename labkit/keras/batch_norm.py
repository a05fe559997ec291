"""Batch normalisation of feature maps as one TensorFlow operation.

Keras writes it as a dozen operations, and each of them, forward and backward, reads or writes a whole feature map:
for the report's baseline (26x26x64 values an image) they take as long as all its convolutions together.
TensorFlow has the same formula as one operation with a gradient of its own. Measured on 2 cores of an AMD EPYC, four
times each: an epoch of the baseline takes 14.0 to 18.5 s with it and 19.0 to 24.8 s without.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from labkit.keras.quiet_tensorflow import keras, tf


@contextmanager
def fused_batch_normalisation(network: keras.Model) -> Iterator[None]:
    """Within the block, let the layers of a network normalise feature maps in one operation when they train.

    Made for the block in which a training step is traced; after it, the layers are as before. The mathematics is that
    of Keras, to float rounding: mean and variance over the batch and its pixels, the same moving statistics, the same
    gradients. Layers that the operation does not cover (other than four dimensions with channels last, float32, scale
    and offset; with a mask; frozen; of a class or with a `call` of their own; inside another layer) are left to Keras.

    Source: Ioffe and Szegedy, "Batch Normalization", 2015, algorithm 1; `tf.compat.v1.nn.fused_batch_norm`.
    """
    layers = dict.fromkeys(network.layers)  # a Sequential lists a layer that it uses twice two times
    ours = [layer for layer in layers if type(layer) is keras.layers.BatchNormalization and "call" not in vars(layer)]
    try:
        for layer in ours:
            layer.call = _fused_call(layer, layer.call)
        yield
    finally:
        for layer in ours:
            vars(layer).pop("call", None)  # the method of the class shows again


def _fused_call(layer: Any, keras_call: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    def call(inputs: tf.Tensor, training: bool | None = None, mask: tf.Tensor | None = None) -> tf.Tensor:
        if not (training and mask is None and _covers(layer, inputs)):
            return keras_call(inputs, training=training, mask=mask)
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs, layer.gamma, layer.beta, epsilon=layer.epsilon, is_training=True
        )
        # TensorFlow returns the variance of the sample, over n - 1; Keras keeps the mean square, over n
        n = tf.cast(tf.size(inputs) / layer.gamma.shape[0], tf.float32)
        variance *= (n - 1) / n
        kept = layer.momentum
        layer.moving_mean.assign(layer.moving_mean * kept + mean * (1 - kept))
        layer.moving_variance.assign(layer.moving_variance * kept + variance * (1 - kept))
        return outputs

    return call


def _covers(layer: Any, inputs: tf.Tensor) -> bool:
    special = getattr(layer, "synchronized", False) or getattr(layer, "renorm", False)
    feature_maps = inputs.shape.rank == 4 and layer.axis in (-1, 3) and inputs.dtype == tf.float32
    return bool(feature_maps and layer.trainable and layer.scale and layer.center and not special)
