"""Training and testing in Keras: one plain loop over epochs, a hundred batches at a time.

On TensorFlow the training images lie on the device as bytes, and a hundred batches are one call of a
compiled function with batch normalisation in one operation: faster than `model.fit`, with the same mathematics.
`labkit bench` measures what that is worth.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labkit.batches import LOG_EVERY, epoch_order
from labkit.data import ImageSet
from labkit.history import Epoch, Evaluation, History
from labkit.keras_batchnorm import fused_batch_normalisation
from labkit.progress import progress_bar
from labkit.quiet_tensorflow import keras, tf
from labkit.state import (
    Arrays,
    hash_arrays,
    python_random_states,
    restore_python_random_states,
)
from labkit.training import (
    Recipe,
    StateKeeper,
    batch_losses,
    evaluation_of,
    out_of_memory,
    require_finite,
    require_finite_test,
)

EVALUATION_BATCH = 1000

TrainChunk = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
Predict = Callable[[NDArray[np.uint8]], tf.Tensor]


def set_seed(seed: int) -> None:
    """Seed Python, NumPy and Keras: initial weights and dropout."""
    keras.utils.set_random_seed(seed)


def normalise(images: tf.Tensor) -> tf.Tensor:
    """Turn grey levels (n, 28, 28) uint8 into network input (n, 28, 28, 1) float32 from 0 to 1."""
    return tf.cast(images, tf.float32)[..., tf.newaxis] / 255


def fit(
    network: keras.Model,
    data: ImageSet,
    *,
    epochs: int,
    learning_rate: float,
    momentum: float = 0.0,
    batch_size: int = 128,
    seed: int = 1,
    state_dir: str | Path | None = None,
    resume: bool = False,
    progress: bool | None = None,
) -> History:
    """Train a network with stochastic gradient descent on its cross-entropy and on what its layers add to it.

    Parameters
    ----------
    network : keras.Model
        Takes (n, 28, 28, 1) float32 from 0 to 1, gives probabilities (n, classes). Trained in place.
    data : ImageSet
        Trained on its training images; tested on its test images after every epoch.
    epochs : int
        Passes over the training images, counted from the first epoch of the run.
    learning_rate, momentum : float
    batch_size : int
        Images a step; the last batch of an epoch may be smaller.
    seed : int
        Of the data order. Keras fixes the seeds of dropout when the layers are made: call `set_seed`
        before the network is built.
    state_dir : str or Path, optional
        Where the full state is saved after every epoch.
    resume : bool
        Go on from the newest state in `state_dir` instead of starting again.
    progress : bool, optional
        Show a progress bar; by default when somebody watches.

    Returns
    -------
    History
        One entry an epoch, and every hundredth batch loss. Also when training was interrupted with
        Ctrl-C: the epochs that were finished, and the network goes back to the end of the last one.

    Raises
    ------
    LabError
        A setting is out of range, the loss is not finite, the device ran out of memory, or a state is
        damaged.
    """
    data_hash = hash_arrays([data.train_images, data.train_labels])
    recipe = Recipe(learning_rate, momentum, batch_size, seed, len(data.train_images), data_hash)
    recipe.check()
    optimizer = keras.optimizers.SGD(learning_rate, momentum)
    optimizer.build(network.trainable_variables)
    train_chunk = compile_training(network, optimizer, data, batch_size)
    predict = compile_prediction(network)

    history = History()
    keeper = StateKeeper(state_dir, recipe, describe(network), resume)
    if resume and (state := keeper.newest(epochs)) is not None:
        history = _restore(network, optimizer, *state)
        if len(history) < epochs:
            print(f"going on after epoch {len(history)}")

    images = len(data.train_images)
    batches = -(-images // batch_size)
    bar = progress_bar(total=epochs, description="training", unit="epoch", wanted=progress)
    bar.update(len(history))
    try:
        for epoch in range(len(history) + 1, epochs + 1):
            order = epoch_order(images, seed, epoch)
            losses = np.empty(0)
            correct = 0
            start = time.perf_counter()
            for first in range(0, batches, LOG_EVERY):
                chosen = order[first * batch_size : (first + LOG_EVERY) * batch_size]
                chunk_losses, chunk_correct = train_chunk(tf.constant(chosen))
                losses = np.append(losses, chunk_losses.numpy().astype(np.float64))
                correct += int(chunk_correct)
                require_finite(losses[first:], epoch, first)
                bar.update(len(chunk_losses) / batches)
            seconds = time.perf_counter() - start
            test = _evaluate(predict, data.test_images, data.test_labels)
            require_finite_test(test, epoch)
            sizes = np.minimum(batch_size, images - batch_size * np.arange(batches))
            train_loss = float((losses * sizes).sum() / images)
            history.epochs.append(Epoch(epoch, train_loss, correct / images, test.loss, test.accuracy, seconds))
            history.batch_losses += batch_losses(losses, epoch, batch_size)
            bar.set_postfix(loss=f"{train_loss:.4f}", test=f"{100 * test.accuracy:.2f}%")
            keeper.save(epoch, *_state_of(network, optimizer, history))
    except KeyboardInterrupt:
        if keeper.last is None:
            raise
        # back to the end of the last finished epoch: weights and history belong together
        history = _restore(network, optimizer, *keeper.last)
        print(f"interrupted: {len(history)} of {epochs} epochs are finished and kept")
    except tf.errors.ResourceExhaustedError:
        raise out_of_memory(batch_size) from None
    finally:
        bar.close()
    return history


def compile_training(network: keras.Model, optimizer: Any, data: ImageSet, batch_size: int) -> TrainChunk:
    """Return the compiled function that trains on the images whose numbers it is given, batch by batch."""
    images = tf.constant(data.train_images)
    labels = tf.constant(data.train_labels)

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def train_chunk(chosen: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        losses = tf.TensorArray(tf.float32, size=0, dynamic_size=True)
        correct = tf.constant(0)
        for start in tf.range(0, tf.shape(chosen)[0], batch_size):
            batch = chosen[start : start + batch_size]
            targets = tf.cast(tf.gather(labels, batch), tf.int32)
            with tf.GradientTape() as tape, fused_batch_normalisation(network):
                probabilities = network(normalise(tf.gather(images, batch)), training=True)
                loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(targets, probabilities))
                objective = tf.add_n([loss, *network.losses])  # what the layers add: a regularizer, say
            gradients = tape.gradient(objective, network.trainable_variables)
            optimizer.apply(gradients, network.trainable_variables)
            losses = losses.write(start // batch_size, loss)
            predicted = tf.argmax(probabilities, axis=1, output_type=tf.int32)
            correct += tf.reduce_sum(tf.cast(predicted == targets, tf.int32))
        return losses.stack(), correct

    compiled: TrainChunk = train_chunk
    return compiled


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
    return _evaluate(compile_prediction(network), images, labels)


def compile_prediction(network: keras.Model) -> Predict:
    """Return the compiled function from images (n, 28, 28) uint8 to probabilities (n, classes), in evaluation mode.

    Compiling takes as long as testing does: `fit` compiles once. Nothing is kept beyond a call of `fit` or
    `evaluate`: what a user changes in a network between two calls counts.
    """
    predict: Predict = tf.function(lambda batch: network(normalise(batch), training=False), reduce_retracing=True)
    return predict


def _evaluate(predict: Predict, images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Evaluation:
    parts = [predict(images[i : i + EVALUATION_BATCH]).numpy() for i in range(0, len(images), EVALUATION_BATCH)]
    probabilities = np.concatenate(parts)
    losses = keras.losses.sparse_categorical_crossentropy(labels.astype(np.int32), probabilities)
    return evaluation_of(probabilities, labels, losses.numpy())


def threads() -> int:
    """Return the number of threads that an operation may use on the CPU: another one gives other last bits."""
    configured = int(tf.config.threading.get_intra_op_parallelism_threads())
    from_environment = os.environ.get("TF_NUM_INTRAOP_THREADS", "0")
    asked = configured or (int(from_environment) if from_environment.isdecimal() else 0)
    # TensorFlow's own rule where nobody asked: as many as the process may use cores
    return asked or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


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


def _variables(network: keras.Model, optimizer: Any) -> dict[str, Any]:
    """Return every variable that training changes; those of the network hold dropout's seeds as well."""
    variables = {f"network.{i:03d}": v for i, v in enumerate(network.variables)}
    return variables | {f"optimizer.{i:03d}": v for i, v in enumerate(optimizer.variables)}


def _state_of(network: keras.Model, optimizer: Any, history: History) -> tuple[Arrays, History, dict[str, Any]]:
    arrays = {name: np.asarray(v) for name, v in _variables(network, optimizer).items()}
    return arrays, history, python_random_states()


def _restore(network: keras.Model, optimizer: Any, arrays: Arrays, about: dict[str, Any]) -> History:
    for name, variable in _variables(network, optimizer).items():
        variable.assign(arrays[name])
    restore_python_random_states(about["random"])
    return History.from_dict(about["history"])
