"""Fixtures of the GPU tests: the device, and as much of MNIST as it trains on in seconds.

Nothing here imports TensorFlow: the PyTorch half runs where there is none.
"""

import os
from dataclasses import replace

import pytest

from labkit.data.mnist import ImageSet


@pytest.fixture(scope="session")
def device() -> str:
    """`cuda` or `mps`; skips the test where there is neither.

    LABKIT_TEST_DEVICE=cpu runs what does not need a GPU's memory or speed on the CPU: to check the tests themselves.
    """
    from labkit.torch.device import pick_device

    chosen = pick_device(os.environ.get("LABKIT_TEST_DEVICE") or None).type
    if chosen == "cpu" and "LABKIT_TEST_DEVICE" not in os.environ:
        pytest.skip("no GPU that PyTorch can use")
    return chosen


@pytest.fixture(scope="session")
def data(device: str, mnist: ImageSet) -> ImageSet:
    """A third of MNIST for a GPU, a few batches for a CPU."""
    part = mnist.first(2_000 if device == "cpu" else 20_000)
    return replace(part, test_images=part.test_images[:1000], test_labels=part.test_labels[:1000])
