"""A 5-epoch run is bitwise the start of a 20-epoch run of the same seed: shown with 2 of 4 epochs on few images."""

from dataclasses import replace
from typing import Any

from labkit.data.mnist import ImageSet
from labkit.runs.history import History

SETTINGS: dict[str, Any] = {"learning_rate": 0.01, "momentum": 0.5, "batch_size": 64, "seed": 1, "progress": False}


def without_times(history: History) -> History:
    """Return a history without what differs: the seconds, and the epochs planned."""
    epochs = [replace(epoch, seconds=0.0) for epoch in history.epochs]
    return History(epochs, history.batch_losses, recipe=replace(history.recipe, epochs=0))


def test_torch(small: ImageSet) -> None:
    from labkit.torch import networks as torch_networks
    from labkit.torch import training as torch_training

    def train(epochs: int) -> History:
        network = torch_networks.build("lenet-dropout", "relu", 1)
        return without_times(torch_training.fit(network, small, epochs=epochs, device="cpu", **SETTINGS))

    short, long = train(2), train(4)
    assert len(long) == 4
    assert short == long.first(2)
    assert short.epochs[0].train_loss != short.epochs[1].train_loss


def test_keras(small: ImageSet) -> None:
    from labkit.keras import networks as keras_networks
    from labkit.keras import training as keras_training

    def train(epochs: int) -> History:
        network = keras_networks.build("extra-conv", "relu", 1)
        return without_times(keras_training.fit(network, small, epochs=epochs, **SETTINGS))

    short, long = train(2), train(4)
    assert len(long) == 4
    assert short == long.first(2)
    assert short.epochs[0].train_loss != short.epochs[1].train_loss
