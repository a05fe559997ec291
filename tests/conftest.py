"""Fixtures for all tests.

labkit is imported before anything else: after it, TensorFlow and PyTorch go together in any order.
"""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from labkit.data.mnist import ImageSet, load_mnist
from labkit.runs.history import BatchLoss, Epoch, History, Recipe

# The same examples every time, and no example database: a test run leaves nothing behind and has no luck in it.
settings.register_profile("labkit", derandomize=True, database=None, deadline=None, max_examples=60)
settings.load_profile("labkit")


@pytest.fixture(autouse=True)
def isolation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every test in an empty folder, without the settings of the person who runs it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LABKIT_PROFILE", raising=False)
    monkeypatch.setenv("LABKIT_OUT", str(tmp_path / "lab_output"))
    # no proxy between the tests and their own servers
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Let processes that the test starts hear Ctrl-C: those of `make test &` inherit that it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def mnist() -> ImageSet:
    """All of MNIST, read once."""
    return load_mnist()


@pytest.fixture(scope="session")
def small(mnist: ImageSet) -> ImageSet:
    """The first 512 training and 300 test images."""
    part = mnist.first(512)
    return ImageSet(part.train_images, part.train_labels, mnist.test_images[:300], mnist.test_labels[:300])


@pytest.fixture
def history() -> History:
    """Three epochs as `fit` could have given them."""
    return History(
        [Epoch(n, 1.5 / n, 0.5 + 0.1 * n, 1.0 / n, 0.6 + 0.1 * n, 2.5) for n in (1, 2, 3)],
        [BatchLoss(n, seen, 2.0 / n) for n in (1, 2, 3) for seen in (0, 12_800)],
        recipe=Recipe(0.01, 0.5, 128, 1, 3, 60_000, "0"),
    )
