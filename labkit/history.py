"""The history of a training run: one face for both frameworks."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from labkit.errors import LabError
from labkit.files import write_text


@dataclass(frozen=True)
class Epoch:
    """One epoch of training.

    Attributes
    ----------
    epoch : int
        Counted from 1.
    train_loss, train_accuracy : float
        Mean over the epoch's training images, while the weights change and with dropout on.
    test_loss, test_accuracy : float
        On the whole test set after the epoch, in evaluation mode.
    seconds : float
        Wall time of the training part; the evaluation is not counted.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float
    seconds: float


@dataclass(frozen=True)
class BatchLoss:
    """The loss of one batch, as the report's PyTorch logs print it every 100 batches.

    Attributes
    ----------
    epoch : int
        Counted from 1.
    images_seen : int
        Training images seen in this epoch before the batch.
    loss : float
        Mean loss over the images of the batch.
    """

    epoch: int
    images_seen: int
    loss: float


@dataclass(frozen=True)
class Evaluation:
    """The result of a network on a set of images, in evaluation mode.

    Attributes
    ----------
    loss : float
        Mean negative log-likelihood of the right class, in nats.
    correct, total : int
        Images classified correctly, images in all.
    probabilities : float32 array, shape (total, classes)
    """

    loss: float
    correct: int
    total: int
    probabilities: NDArray[np.float32] = field(repr=False, compare=False)

    @property
    def accuracy(self) -> float:
        """The share of images classified correctly, 0 to 1."""
        return self.correct / self.total

    @property
    def predictions(self) -> NDArray[np.uint8]:
        """The most probable class of each image, shape (total,)."""
        predicted: NDArray[np.uint8] = self.probabilities.argmax(axis=1).astype(np.uint8)
        return predicted

    def __str__(self) -> str:
        share = f"{self.correct}/{self.total} ({100 * self.accuracy:.2f}%)"
        return f"Test set: Average loss: {self.loss:.4f}, Accuracy: {share}"


@dataclass
class History:
    """What `fit` gives back: the epochs, and the loss of every hundredth batch."""

    epochs: list[Epoch] = field(default_factory=list)
    batch_losses: list[BatchLoss] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.epochs)

    def first(self, epochs: int) -> "History":
        """Return the history as it stood after `epochs` epochs."""
        return History(
            [e for e in self.epochs if e.epoch <= epochs],
            [b for b in self.batch_losses if b.epoch <= epochs],
        )

    def table(self) -> pd.DataFrame:
        """Return the epochs as a table, one row an epoch, indexed by the epoch's number."""
        return pd.DataFrame([asdict(e) for e in self.epochs], columns=list(Epoch.__annotations__)).set_index("epoch")

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists and numbers, ready for JSON."""
        return {"epochs": [asdict(e) for e in self.epochs], "batch_losses": [asdict(b) for b in self.batch_losses]}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "History":
        """Rebuild a history from what `to_dict` gave.

        Raises
        ------
        LabError
            The content is not that of a history.
        """
        try:
            history = cls([Epoch(**e) for e in content["epochs"]], [BatchLoss(**b) for b in content["batch_losses"]])
        except (KeyError, TypeError) as problem:
            raise LabError(f"not a history: {problem}") from None
        plain = history.to_dict()
        for row in (*plain["epochs"], *plain["batch_losses"]):
            for name, value in row.items():
                if type(value) not in (int, float):
                    raise LabError(f"not a history: {name} is no number but of type {type(value).__name__}")
        return history

    def save(self, path: str | Path) -> None:
        """Write the history as JSON; the file appears whole or not at all.

        Raises
        ------
        LabError
            The file cannot be written.
        """
        write_text(Path(path), json.dumps(self.to_dict(), indent=1) + "\n")

    @classmethod
    def load(cls, path: str | Path) -> "History":
        """Read a history that `save` wrote.

        Raises
        ------
        LabError
            There is no such file, or it does not hold a history.
        """
        try:
            return cls.from_dict(json.loads(Path(path).read_text(encoding="utf-8")))
        except (OSError, ValueError, RecursionError, LabError) as problem:
            raise LabError(f"{path}: not a readable history: {problem}") from None
