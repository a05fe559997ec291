"""What `labkit bench` measures in Keras: this project's loop. Stock Keras is in `labkit.bench.stock_keras`."""

import math
import time
from collections.abc import Callable
from typing import Any

from labkit.bench.stock_keras import gpu_memory
from labkit.data.mnist import ImageSet
from labkit.keras.networks import build
from labkit.keras.quiet_tensorflow import keras, tf
from labkit.keras.training import compile_step, train_epoch
from labkit.runs.registry import BATCH_SIZE
from labkit.runs.training import epoch_order

__all__ = ["flops_of_batch", "gpu_memory", "matmul_rate", "network_of", "timer"]

MATRIX = 2048


def network_of(name: str) -> Any:
    """Build one of the bench's networks; `leaky` is the baseline with Leaky ReLU."""
    return build("baseline", "leaky_relu", seed=1) if name == "leaky" else build(name, "relu", seed=1)


def fast_timer(name: str, data: ImageSet, batches: int) -> Callable[[], float]:
    """Return a function that trains on `batches` batches as `labkit.keras.fit` does and returns the seconds."""
    network = network_of(name)
    optimizer = keras.optimizers.SGD(0.01)
    optimizer.build(network.trainable_variables)
    step = compile_step(network, optimizer, data)
    order = epoch_order(len(data.train_images), 1, 1)[: batches * BATCH_SIZE]
    chosen = [order[i : i + BATCH_SIZE] for i in range(0, len(order), BATCH_SIZE)]

    def measure() -> float:
        start = time.perf_counter()
        losses, _ = train_epoch(step, chosen)
        losses.numpy()
        return time.perf_counter() - start

    return measure


def flops_of_batch(name: str) -> int:
    """Return the floating-point operations of one training step with a full batch, from the layers' shapes.

    Convolutions and dense layers count: two operations per weight used; forward, gradient of the weights and
    gradient of the input, which the first layer does not need.
    """
    forward = []
    for layer in network_of(name).layers:
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense)):
            positions = math.prod(layer.output.shape[1:-1])
            forward.append(2 * positions * math.prod(layer.kernel.shape) * BATCH_SIZE)
    return int(3 * sum(forward) - forward[0])


def matmul_rate() -> float:
    """Return the operations per second of a large float32 matrix product: what the device attains at best."""
    matrix = tf.ones((MATRIX, MATRIX))
    tf.matmul(matrix, matrix).numpy()
    start = time.perf_counter()
    tf.reduce_sum(tf.matmul(matrix, matrix)).numpy()
    return 2 * MATRIX**3 / (time.perf_counter() - start)


def timer(loop: str, name: str, data: ImageSet, batches: int) -> Callable[[], float]:
    """Return the function that measures the loop `labkit`."""
    tf.config.experimental.enable_tensor_float_32_execution(False)  # as `labkit.bench.torch_loops` measures
    return fast_timer(name, data, batches)
