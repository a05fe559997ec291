"""The Keras networks: parameter counts and shapes as the report prints them."""

from typing import Any

import numpy as np
import pytest

from labkit.base.errors import LabError
from labkit.data.mnist import ImageSet
from labkit.keras.evaluation import evaluate
from labkit.keras.networks import NETWORKS, build, count_params
from labkit.keras.quiet_tensorflow import keras
from labkit.keras.training import fit
from labkit.runs.registry import LEAKY_SLOPE, ten_runs

IMAGES = np.random.default_rng(0).random((3, 28, 28, 1), np.float32)


@pytest.mark.parametrize(("network", "params"), [("baseline", (278_858, 277_834)), ("extra-conv", (119_434, 118_282))])
def test_parameter_counts(network: str, params: tuple[int, int]) -> None:
    assert count_params(build(network, "relu")) == params


def test_the_registry_holds_these_counts() -> None:
    for run in ten_runs().values():
        if run.framework == "keras":
            assert (run.params, run.trainable_params) == count_params(build(run.network, run.activation))


@pytest.mark.parametrize("network", NETWORKS)
def test_probabilities_of_ten_classes(network: str) -> None:
    probabilities = build(network, "relu", seed=1)(IMAGES).numpy()
    assert probabilities.shape == (3, 10)
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("network", "flattened", "convolutions"),
    [
        ("baseline", 1_600, [(26, 26, 64), (11, 11, 64)]),
        ("extra-conv", 64, [(26, 26, 64), (11, 11, 64), (3, 3, 64)]),
        ("extra-conv-same", 576, [(28, 28, 64), (14, 14, 64), (7, 7, 64)]),
    ],
)
def test_shapes_through_the_network(network: str, flattened: int, convolutions: list[tuple[int, int, int]]) -> None:
    layers = build(network, "relu").layers
    kinds = [type(layer).__name__ for layer in layers]
    assert [layer.output.shape[1:] for layer in layers if type(layer).__name__ == "Conv2D"] == convolutions
    assert layers[kinds.index("Flatten")].output.shape == (None, flattened)


def test_the_layers_stand_in_the_reports_order() -> None:
    kinds = [type(layer).__name__ for layer in build("baseline", "leaky_relu").layers]
    block = ["Conv2D", "LeakyReLU", "BatchNormalization", "MaxPooling2D", "Dropout"]
    dense = ["Dense", "LeakyReLU", "BatchNormalization", "Dropout"]
    assert kinds == [*block * 2, "Flatten", *dense * 3, "Dense"]


def test_dropout_and_slope_are_the_reports() -> None:
    layers = build("baseline", "leaky_relu").layers
    assert [layer.rate for layer in layers if type(layer).__name__ == "Dropout"] == [0.25, 0.25, 0.5, 0.5, 0.5]
    slopes = {layer.negative_slope for layer in layers if type(layer).__name__ == "LeakyReLU"}
    assert slopes == {LEAKY_SLOPE} == {0.1}


def test_a_seed_gives_the_same_weights_and_another_seed_others() -> None:
    first, again, other = (build("extra-conv", "relu", seed).get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_unknown_networks_and_activations_are_refused() -> None:
    with pytest.raises(LabError, match=r"unknown Keras network 'base-line': .*did you mean 'baseline'"):
        build("base-line", "relu")
    with pytest.raises(LabError, match=r"unknown activation 'leaky-relu': .*did you mean 'leaky_relu'"):
        build("baseline", "leaky-relu")


def test_fit_compiles_its_test_once_and_evaluate_agrees_bitwise(small: ImageSet) -> None:
    traced = []

    class Traced(keras.layers.Flatten):  # type: ignore[misc]
        def call(self, inputs: Any) -> Any:
            traced.append(inputs.shape)
            return super().call(inputs)

    network = keras.Sequential([keras.Input((28, 28, 1)), Traced(), keras.layers.Dense(10, activation="softmax")])
    traced.clear()
    history = fit(network, small, epochs=3, learning_rate=0.1)
    assert len(traced) <= 3  # for training (whole batches, then batches of any size) and for testing
    epoch = history.epochs[-1]
    again = evaluate(network, small.test_images, small.test_labels)
    assert (again.loss, again.accuracy) == (epoch.test_loss, epoch.test_accuracy)
