"""Training in Keras: a plain loop over batches, each one call of a compiled step.

The training images lie on the device as bytes, and batch normalisation is one operation: faster than `model.fit`,
with the same mathematics. `labkit bench` measures what that is worth.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labkit.data.mnist import ImageSet
from labkit.keras.batch_norm import fused_batch_normalisation
from labkit.keras.device import memory_errors
from labkit.keras.evaluation import compile_prediction, evaluate_compiled, normalise
from labkit.keras.quiet_tensorflow import keras, suit_rewriting, tf
from labkit.keras.weights import describe
from labkit.runs.history import Evaluation, History, Recipe
from labkit.runs.states import Arrays, hash_arrays
from labkit.runs.training import run_epochs

Step = Callable[[NDArray[np.int64]], tuple[tf.Tensor, tf.Tensor]]


def compile_step(network: keras.Model, optimizer: Any, data: ImageSet) -> Step:
    """Return the compiled training step: from the indices of a batch's images to its loss and how many were right."""
    suit_rewriting(network)
    words = _packed(data.train_images)
    labels = tf.constant(data.train_labels.astype(np.int64))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64)])  # type: ignore[untyped-decorator]
    def step(batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        targets = tf.gather(labels, batch)
        with tf.GradientTape() as tape, fused_batch_normalisation(network):
            probabilities = network(normalise(_images_at(words, batch)), training=True)
            loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(targets, probabilities))
            objective = tf.add_n([loss, *network.losses])  # what the layers add: a regularizer, say
        gradients = tape.gradient(objective, network.trainable_variables)
        optimizer.apply(gradients, network.trainable_variables)
        return loss, tf.math.count_nonzero(tf.argmax(probabilities, axis=1) == targets)

    compiled: Step = step
    return compiled


def train_epoch(step: Step, batches: Iterable[NDArray[np.int64]]) -> tuple[tf.Tensor, tf.Tensor]:
    """Train a network once on each batch: one epoch, where the batches hold every image once.

    Parameters
    ----------
    step : function
        From `compile_step`.
    batches : iterable of int64 arrays
        The indices of each batch's images.

    Returns
    -------
    losses : float32 tensor, shape (batches,)
    correct : int64 tensor, shape ()
        How many images were classified correctly, each before the step that it was part of.
    """
    losses, correct = zip(*(step(batch) for batch in batches), strict=True)
    return tf.stack(losses), tf.add_n(correct)


def _packed(images: NDArray[np.uint8]) -> tf.Tensor:
    """Return images (n, 28, 28) as (n, 98) int64, eight pixels in a number.

    So they can stay on a GPU: TensorFlow has no GPU kernel that gathers bytes, and keeps 32-bit integers on the CPU.
    """
    return tf.constant(images.reshape(-1, 98, 8).view(np.int64)[..., 0])


def _images_at(words: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
    """Return some images of a packed set as they were: (n, 28, 28) uint8."""
    return tf.reshape(tf.bitcast(tf.gather(words, batch), tf.uint8), (-1, 28, 28))


def set_seed(seed: int) -> None:
    """Seed Python, NumPy and Keras: initial weights and dropout."""
    keras.utils.set_random_seed(seed)


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
        The network is tested on its test images after every epoch.
    epochs : int
        Passes over the training images, counted from the first epoch of the run.
    learning_rate, momentum : float
    batch_size : int
        Images per step; the last batch of an epoch may be smaller.
    seed : int
        Of the data order. Keras fixes the seeds of dropout when it makes the layers: call `set_seed` before that.
    state_dir : str or Path, optional
        Where the full state is saved after every epoch.
    resume : bool
        Go on from the newest state in `state_dir` instead of starting again.
    progress : bool, optional
        Show a progress bar; by default when somebody is watching.

    Returns
    -------
    History
        One entry per epoch, and every hundredth batch loss. After Ctrl-C, that of the finished epochs; the network
        goes back to the end of the last one.

    Raises
    ------
    LabError
        A setting is out of range, the loss is not finite, the device ran out of memory, or a state is damaged.
    """
    sums = hash_arrays([data.train_images, data.train_labels])
    recipe = Recipe(learning_rate, momentum, batch_size, seed, epochs, len(data.train_images), sums)
    recipe.check()
    architecture = describe(network)
    with memory_errors(batch_size):
        trainer = _Trainer(network, data, recipe)
        return run_epochs(trainer, recipe, architecture, state_dir=state_dir, resume=resume, progress=progress)


class _Trainer:
    """A network in training, for `run_epochs`."""

    def __init__(self, network: keras.Model, data: ImageSet, recipe: Recipe) -> None:
        self.optimizer = keras.optimizers.SGD(recipe.learning_rate, recipe.momentum)
        self.optimizer.build(network.trainable_variables)
        self.network, self.data = network, data
        self.step = compile_step(network, self.optimizer, data)
        self.predict = compile_prediction(network)

    def put(self, order: NDArray[np.int64]) -> NDArray[np.int64]:
        return order

    def train_epoch(self, batches: Iterable[NDArray[np.int64]]) -> tuple[NDArray[np.float64], int]:
        losses, correct = train_epoch(self.step, batches)
        return losses.numpy().astype(np.float64), int(correct)

    def test(self) -> Evaluation:
        return evaluate_compiled(self.predict, self.data.test_images, self.data.test_labels)

    def state(self) -> Arrays:
        return {name: np.asarray(variable) for name, variable in self._variables().items()}

    def restore(self, arrays: Arrays, epoch: int) -> None:
        for name, variable in self._variables().items():
            variable.assign(arrays[name])

    def _variables(self) -> dict[str, Any]:
        """Return every variable that training changes; those of the network hold dropout's seeds as well."""
        variables = {f"network.{i:03d}": v for i, v in enumerate(self.network.variables)}
        return variables | {f"optimizer.{i:03d}": v for i, v in enumerate(self.optimizer.variables)}
