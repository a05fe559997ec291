"""Testing in Keras, and how pixels become network input."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from labkit.keras.quiet_tensorflow import keras, suit_rewriting, tf
from labkit.runs.history import Evaluation
from labkit.runs.training import evaluation_of

EVALUATION_BATCH = 1000

Predict = Callable[[NDArray[np.uint8]], tf.Tensor]


def normalise(images: tf.Tensor) -> tf.Tensor:
    """Turn grey levels (n, 28, 28) uint8 into network input (n, 28, 28, 1) float32 from 0 to 1."""
    return tf.cast(images, tf.float32)[..., tf.newaxis] / 255


def evaluate(network: keras.Model, images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Evaluation:
    """Test a network in evaluation mode: dropout off, batch normalisation with its running statistics.

    Parameters
    ----------
    network : keras.Model
        Gives probabilities.
    images : uint8 array, shape (n, 28, 28)
    labels : uint8 array, shape (n,)

    Returns
    -------
    Evaluation
        Mean loss, images classified correctly, and the probabilities.
    """
    return evaluate_compiled(compile_prediction(network), images, labels)


def compile_prediction(network: keras.Model) -> Predict:
    """Return the compiled function from images (n, 28, 28) uint8 to probabilities (n, classes), in evaluation mode.

    Compiling takes as long as testing does: `fit` compiles once. Nothing is kept beyond a call of `fit` or
    `evaluate`: what a user changes in a network between two calls counts.
    """
    suit_rewriting(network)
    predict: Predict = tf.function(lambda batch: network(normalise(batch), training=False), reduce_retracing=True)
    return predict


def evaluate_compiled(predict: Predict, images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Evaluation:
    """Test a network that `compile_prediction` has compiled; the rest is as `evaluate` takes and gives it."""
    parts = [predict(images[i : i + EVALUATION_BATCH]).numpy() for i in range(0, len(images), EVALUATION_BATCH)]
    probabilities = np.concatenate(parts)
    losses = keras.losses.sparse_categorical_crossentropy(labels.astype(np.int32), probabilities)
    return evaluation_of(probabilities, labels, losses.numpy())
