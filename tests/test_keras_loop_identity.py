"""The fast Keras loop computes what Keras computes, to float rounding."""

import inspect
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from labkit.data.mnist import ImageSet
from labkit.keras import training as keras_training
from labkit.keras.batch_norm import fused_batch_normalisation
from labkit.keras.networks import build
from labkit.keras.quiet_tensorflow import keras, tf
from labkit.runs.training import epoch_order

layers = keras.layers
IMAGES, BATCH_SIZE, LEARNING_RATE, SEED = 300, 128, 0.001, 3  # the last batch of an epoch is smaller
Arrays = list[NDArray[np.float32]]


def trained_once(inputs: NDArray[np.float64], dtype: str = "float32", fused: bool = False, **settings: Any) -> Arrays:
    """Train one layer for one step; return outputs, gradients (input, scale, offset) and moving statistics."""
    layer = layers.BatchNormalization(dtype=dtype, **settings)
    network = keras.Sequential([keras.Input(inputs.shape[1:], dtype=dtype), layer])
    network.set_weights([w + 0.3 * np.cos(np.arange(w.size)) for w in network.get_weights()])
    weights = np.random.default_rng(1).normal(size=inputs.shape)

    @tf.function  # type: ignore[untyped-decorator]
    def step(x: tf.Tensor) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = network(x, training=True)
            loss = tf.reduce_sum(outputs * tf.constant(weights, outputs.dtype))
        return [outputs, *tape.gradient(loss, [x, *layer.trainable_variables])]

    x = tf.constant(inputs, dtype)
    if fused:
        with fused_batch_normalisation(network):
            results = step(x)
    else:
        results = step(x)
    operations = [operation.type for operation in step.get_concrete_function(x).graph.get_operations()]
    assert ("FusedBatchNormV3" in operations) == (fused and inputs.ndim == 4 and not settings)
    return [np.asarray(r) for r in results] + [np.asarray(v) for v in layer.non_trainable_variables]


@pytest.mark.parametrize("shape", [(128, 26, 26, 8), (5, 3, 3, 4), (7, 1, 1, 4), (1, 2, 2, 3), (1, 1, 1, 4)])
def test_batch_normalisation_is_as_exact_as_that_of_keras(shape: tuple[int, ...]) -> None:
    """Measured against double precision: outputs, all gradients and the moving statistics.

    With one thread TensorFlow adds up the values of a channel one after the other, which loses up to half a unit in
    the last place of single precision with each.
    """
    inputs = np.maximum(np.random.default_rng(0).normal(0.3, 1, shape), 0)
    exact, plain, fused = trained_once(inputs, dtype="float64"), trained_once(inputs), trained_once(inputs, fused=True)
    lost = 1e-5 + math.prod(shape[:-1]) * 2.0**-24
    for right, keras_has, labkit_has in zip(exact, plain, fused, strict=True):
        rounding = np.abs(keras_has - right).max()
        assert np.abs(labkit_has - right).max() <= 3 * rounding + lost * np.abs(right).max()


needs_renorm = pytest.mark.skipif(
    "renorm" not in inspect.signature(layers.BatchNormalization).parameters, reason="this Keras has no renormalisation"
)


@pytest.mark.parametrize(
    ("shape", "settings"),
    [
        ((6, 5), {}),
        ((6, 4, 4, 3), {"axis": 1}),
        ((6, 4, 4, 3), {"center": False}),
        ((6, 4, 4, 3), {"scale": False}),
        pytest.param((6, 4, 4, 3), {"renorm": True}, marks=needs_renorm),
    ],
)
def test_what_the_operation_does_not_cover_is_left_to_keras(shape: tuple[int, ...], settings: dict[str, Any]) -> None:
    inputs = np.random.default_rng(0).normal(size=shape)
    plain, fused = trained_once(inputs, **settings), trained_once(inputs, fused=True, **settings)
    for keras_has, labkit_has in zip(plain, fused, strict=True):
        np.testing.assert_array_equal(labkit_has, keras_has)


def test_a_frozen_layer_keeps_its_statistics() -> None:
    inputs = np.random.default_rng(0).normal(2, 3, (6, 4, 4, 3))
    network = keras.Sequential([keras.Input((4, 4, 3)), layers.BatchNormalization(trainable=False)])
    with fused_batch_normalisation(network):
        outputs = network(tf.constant(inputs, tf.float32), training=True)
    np.testing.assert_allclose(outputs, inputs / np.sqrt(1 + 1e-3), rtol=1e-5)  # mean 0, variance 1, as it was made


def test_the_layers_are_as_before() -> None:
    normalisation, own = layers.BatchNormalization(), layers.BatchNormalization()
    own.call = own_call = lambda inputs, training=None, mask=None: inputs  # a user's
    network = keras.Sequential([keras.Input((4, 4, 3)), normalisation, own, layers.ReLU(), normalisation])  # used twice
    with pytest.raises(ZeroDivisionError), fused_batch_normalisation(network):
        assert "call" in vars(normalisation)
        raise ZeroDivisionError
    assert "call" not in vars(normalisation)
    assert own.call is own_call


@pytest.fixture(scope="module")
def data(mnist: ImageSet) -> ImageSet:
    return replace(mnist.first(IMAGES), test_images=mnist.test_images[:100], test_labels=mnist.test_labels[:100])


def baseline(dtype: str) -> Any:
    """Build the baseline without dropout, which draws other random numbers in `train_on_batch`."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        network = build("baseline", "relu", seed=SEED)
    finally:
        keras.config.set_dtype_policy(policy)
    for layer in network.layers:
        if isinstance(layer, layers.Dropout):
            layer.rate = 0.0
    return network


def plain_loop(network: Any, data: ImageSet) -> float:
    """Train for one epoch as Keras does; return the training loss."""
    network.compile(keras.optimizers.SGD(LEARNING_RATE), "sparse_categorical_crossentropy")
    images, labels = data.train_images[..., np.newaxis] / 255, data.train_labels.astype(np.int32)
    order = epoch_order(IMAGES, SEED, 1)
    total = 0.0
    for first in range(0, IMAGES, BATCH_SIZE):
        chosen = order[first : first + BATCH_SIZE]
        network.reset_metrics()  # otherwise the loss is the mean of all batches so far
        loss = network.train_on_batch(images[chosen], labels[chosen])
        total += float(np.ravel(loss)[0]) * len(chosen)
    return total / IMAGES


def test_fit_trains_with_the_one_operation(data: ImageSet) -> None:
    network = build("extra-conv", "relu", seed=SEED)
    optimizer = keras.optimizers.SGD(LEARNING_RATE)
    optimizer.build(network.trainable_variables)
    step: Any = keras_training.compile_step(network, optimizer, data)
    operations = [operation.type for operation in step.get_concrete_function().graph.get_operations()]
    assert operations.count("FusedBatchNormV3") == 3


def test_images_are_gathered_by_an_operation_that_gpus_have(data: ImageSet) -> None:
    """TensorFlow gathers no bytes on a GPU, and keeps 32-bit integers on the CPU."""
    network = build("baseline", "relu", seed=SEED)
    optimizer = keras.optimizers.SGD(LEARNING_RATE)
    optimizer.build(network.trainable_variables)
    step: Any = keras_training.compile_step(network, optimizer, data)
    operations = step.get_concrete_function().graph.get_operations()
    gathered = [operation.inputs[0].dtype for operation in operations if operation.type == "GatherV2"]
    assert gathered[:2] == [tf.int64, tf.int64]  # labels and images
    assert tf.uint8 not in gathered


def test_the_gathered_images_are_those_of_the_set(data: ImageSet) -> None:
    for images in (data.train_images, data.train_images[:, :, ::-1]):
        gathered = keras_training._images_at(keras_training._packed(images), [299, 0, 17])
        np.testing.assert_array_equal(gathered, images[[299, 0, 17]])


def test_what_layers_add_to_the_loss_is_trained_on(data: ImageSet) -> None:
    lengths = []
    for strength in (0.0, 10.0):
        keras_training.set_seed(SEED)
        dense = layers.Dense(10, activation="softmax", kernel_regularizer=keras.regularizers.L2(strength))
        network = keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten(), dense])
        keras_training.fit(
            network, data, epochs=1, learning_rate=LEARNING_RATE, batch_size=BATCH_SIZE, seed=SEED, progress=False
        )
        lengths.append(float(np.linalg.norm(dense.kernel)))
    assert lengths[1] < 0.97 * lengths[0]  # three steps of 2 x 10 x 0.001


def trained_weights(network: Any) -> NDArray[np.float64]:
    return np.concatenate([np.ravel(w).astype(np.float64) for w in network.trainable_weights])


def test_fit_is_as_near_to_double_precision_as_keras(data: ImageSet) -> None:
    """In single precision, Keras itself is 5 % of the way off where double precision arrives.

    Rounding decides on which side of ReLU's kink a value near 0 lies, and that decides about its whole gradient.
    """
    plain, fast, exact = baseline("float32"), baseline("float32"), baseline("float64")
    exact.set_weights(plain.get_weights())
    start = trained_weights(plain)
    exact_loss, plain_loss = plain_loop(exact, data), plain_loop(plain, data)
    history = keras_training.fit(
        fast, data, epochs=1, learning_rate=LEARNING_RATE, batch_size=BATCH_SIZE, seed=SEED, progress=False
    )
    end = trained_weights(exact)
    rounding = np.linalg.norm(trained_weights(plain) - end)
    assert rounding < 0.2 * np.linalg.norm(end - start)
    assert np.linalg.norm(trained_weights(fast) - end) < 2 * rounding
    assert abs(plain_loss / exact_loss - 1) < 1e-3
    assert abs(history.epochs[0].train_loss / exact_loss - 1) < 1e-3
