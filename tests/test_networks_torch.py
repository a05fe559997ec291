"""The PyTorch networks: parameter counts and shapes as the report prints them."""

import pytest
import torch

from labkit.base.errors import LabError
from labkit.runs.registry import ten_runs
from labkit.torch.networks import NETWORKS, build, count_params

IMAGES = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))

# From the printed code by hand: weights and biases of each layer, and two numbers a channel of batch normalisation
DEEP_BN = (
    (9 * 32 + 32)
    + (9 * 32 * 64 + 64)
    + (9 * 64 * 128 + 128)
    + 2 * (32 + 64 + 128)
    + (1152 * 256 + 256)
    + (256 * 128 + 128)
    + (128 * 10 + 10)
)


@pytest.mark.parametrize(
    ("network", "params"),
    [("lenet-dropout", 21_840), ("deep-bn", DEEP_BN), ("keras-twin", 277_834)],
)
def test_parameter_counts(network: str, params: int) -> None:
    assert count_params(build(network, "relu")) == (params, params)


def test_the_twin_has_as_many_numbers_as_the_keras_baseline() -> None:
    # Keras counts the running statistics as parameters that are not trained; PyTorch holds them as buffers
    twin = build("keras-twin", "relu")
    statistics = sum(b.numel() for name, b in twin.named_buffers() if "running" in name)
    assert count_params(twin)[0] + statistics == 278_858


def test_the_registry_holds_these_counts() -> None:
    for run in ten_runs().values():
        if run.framework == "torch":
            assert (run.params, run.trainable_params) == count_params(build(run.network, run.activation))


@pytest.mark.parametrize("network", NETWORKS)
def test_log_probabilities_of_ten_classes(network: str) -> None:
    built = build(network, "relu", seed=1).eval()
    with torch.no_grad():
        log_probabilities = built(IMAGES)
    assert log_probabilities.shape == (3, 10)
    assert torch.allclose(log_probabilities.exp().sum(1), torch.ones(3), atol=1e-5)


@pytest.mark.parametrize(
    ("network", "shapes"),
    [
        ("lenet-dropout", {"conv1": (10, 24, 24), "conv2": (20, 8, 8), "fc1": (50,), "fc2": (10,)}),
        (
            "deep-bn",
            {"conv1": (32, 28, 28), "bn1": (32, 14, 14), "bn2": (64, 7, 7), "bn3": (128, 3, 3), "fc1": (256,)},
        ),
        ("keras-twin", {"conv1": (64, 26, 26), "conv2": (64, 11, 11), "fc1": (128,), "fc4": (10,)}),
    ],
)
def test_shapes_through_the_network(network: str, shapes: dict[str, tuple[int, ...]]) -> None:
    built = build(network, "relu").eval()
    seen: dict[str, tuple[int, ...]] = {}
    for name in shapes:
        layer = built.get_submodule(name)
        layer.register_forward_hook(lambda _m, _i, output, name=name: seen.update({name: tuple(output.shape[1:])}))
    with torch.no_grad():
        built(IMAGES)
    assert seen == shapes


def test_a_seed_gives_the_same_weights_and_another_seed_others() -> None:
    def weights(seed: int) -> torch.Tensor:
        return torch.cat([p.detach().ravel() for p in build("lenet-dropout", "relu", seed).parameters()])

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_the_activation_is_the_one_asked_for() -> None:
    negative = torch.tensor([-1.0, 2.0])
    assert build("deep-bn", "leaky_relu").activation(negative).tolist() == pytest.approx([-0.1, 2.0])  # type: ignore[operator]
    assert build("deep-bn", "relu").activation(negative).tolist() == [0.0, 2.0]  # type: ignore[operator]


def test_unknown_networks_and_activations_are_refused() -> None:
    with pytest.raises(LabError, match=r"unknown PyTorch network 'deep-nb': .*did you mean 'deep-bn'"):
        build("deep-nb", "relu")
    with pytest.raises(LabError, match=r"unknown activation 'leakyrelu': .*did you mean 'leaky_relu'"):
        build("deep-bn", "leakyrelu")
