"""Stock Keras, as `labkit bench` measures it: `model.fit` in a process that imports nothing of `labkit.keras`.

So none of labkit's settings is in force. On a GPU they would count: with deterministic operations Keras leaves out XLA.
"""

import os
import time

import numpy as np

from labkit.data.mnist import ImageSet
from labkit.runs.registry import BATCH_SIZE

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow reads it at its import

import keras
import tensorflow as tf

WARM_UP_BATCHES = 5


class Clock(keras.callbacks.Callback):  # type: ignore[misc]
    """Reads the time at the beginning of an epoch and after its last batch."""

    begin = end = 0.0

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        """Start."""
        self.begin = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict[str, tf.Tensor] | None = None) -> None:
        """Stop after the last batch, once the device has finished it."""
        if logs is not None and batch == self.params["steps"] - 1:
            float(logs["loss"])
            self.end = time.perf_counter()


def time_fit(network_json: str, batches: int, data: ImageSet) -> tuple[float, float]:
    """Train one epoch on part of the images with `model.fit`, on arrays.

    After the last batch the call often waits. tf.data's autotuning thread sleeps in doubling steps (10 ms, 20 ms, ...),
    and the end of the iterator waits until the current sleep is over: 1.3, 2.6, 5.1, 10.2, 20.5, 41 s after the call
    began. `options.autotune.enabled = False` on a `tf.data.Dataset` ends that; arrays have no such option.

    Returns
    -------
    seconds : float
        From the beginning of the epoch to the end of its last batch.
    call : float
        What the whole call takes.
    """
    tf.config.experimental.enable_tensor_float_32_execution(False)  # as all loops are measured
    network = keras.models.model_from_json(network_json)
    network.compile(keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    images = data.train_images[: batches * BATCH_SIZE, ..., np.newaxis].astype(np.float32) / 255
    labels = data.train_labels[: batches * BATCH_SIZE].astype(np.int32)

    few = slice(WARM_UP_BATCHES * BATCH_SIZE)
    network.fit(images[few], labels[few], batch_size=BATCH_SIZE, verbose=0)
    clock = Clock()
    start = time.perf_counter()
    network.fit(images, labels, batch_size=BATCH_SIZE, verbose=0, callbacks=[clock])
    return clock.end - clock.begin, time.perf_counter() - start


def gpu_memory() -> float:
    """Return the most memory of a GPU that this process has used so far, in MiB; 0 without one."""
    if not tf.config.list_physical_devices("GPU"):
        return 0.0
    return float(tf.config.experimental.get_memory_info("GPU:0")["peak"]) / (1 << 20)
