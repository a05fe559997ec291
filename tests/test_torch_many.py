"""Replicas trained together follow their single runs."""

import numpy as np
import pytest
import torch
from torch import nn
from training_child import small_data

from labkit.base.errors import LabError
from labkit.data.mnist import ImageSet
from labkit.torch.many import fit_many
from labkit.torch.networks import build
from labkit.torch.training import fit

SEEDS = [1, 2, 3]


def networks(name: str, dropout: bool = False) -> list[nn.Module]:
    built = [build(name, "relu", seed=seed) for seed in SEEDS]
    for network in built:
        for module in network.modules():
            if isinstance(module, (nn.Dropout, nn.Dropout2d)) and not dropout:
                module.p = 0.0
    return built


@pytest.fixture(scope="module")
def data() -> ImageSet:
    return small_data(400, 100)


@pytest.mark.parametrize("name", ["lenet-dropout", "deep-bn"])
def test_replicas_follow_their_single_runs(data: ImageSet, name: str) -> None:
    settings = {"epochs": 2, "learning_rate": 0.01, "momentum": 0.5, "device": "cpu"}
    together = networks(name)
    histories = fit_many(together, data, seeds=SEEDS, **settings)  # type: ignore[arg-type]
    for network, many, seed, replica in zip(networks(name), histories, SEEDS, together, strict=True):
        single = fit(network, data, seed=seed, **settings)  # type: ignore[arg-type]
        for ours, theirs in zip(many.epochs, single.epochs, strict=True):
            np.testing.assert_allclose(ours.train_loss, theirs.train_loss, rtol=2e-3)
            np.testing.assert_allclose(ours.test_loss, theirs.test_loss, rtol=2e-3)
        for (key, a), b in zip(replica.named_parameters(), network.parameters(), strict=True):
            assert torch.allclose(a, b, atol=5e-3), key


def test_dropout_differs_between_replicas(data: ImageSet) -> None:
    twins = [build("lenet-dropout", "relu", seed=1) for _ in range(2)]
    first, second = fit_many(twins, data, seeds=[1, 1], epochs=1, learning_rate=0.01, device="cpu")
    assert first.epochs[0].train_loss != second.epochs[0].train_loss


def test_the_same_call_gives_the_same_weights(data: ImageSet) -> None:
    runs = [networks("lenet-dropout", dropout=True) for _ in range(2)]
    for replicas in runs:
        fit_many(replicas, data, seeds=SEEDS, epochs=1, learning_rate=0.01, device="cpu")
    for a, b in zip(runs[0][2].parameters(), runs[1][2].parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_missing_seed_is_refused(data: ImageSet) -> None:
    with pytest.raises(LabError, match="3 networks and 2 seeds"):
        fit_many(networks("lenet-dropout"), data, seeds=[1, 2], epochs=1, learning_rate=0.01)
