"""The recipe and the history of a training run: the same for both frameworks."""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from labkit.base.errors import LabError


@dataclass(frozen=True)
class Recipe:
    """What `fit` trained with: everything that decides the result, apart from the network.

    Attributes
    ----------
    epochs : int
        As many as were asked for; a history has fewer after Ctrl-C.
    data_sha256 : str
        Of the training images and labels.
    mean, std : float
        For the normalisation of the pixels after division by 255.
    """

    learning_rate: float
    momentum: float
    batch_size: int
    seed: int
    epochs: int
    train_images: int
    data_sha256: str
    mean: float = 0.0
    std: float = 1.0

    def check(self) -> None:
        """Refuse settings that cannot train: a `LabError` names the setting, its value and the valid ones."""
        if not (np.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise LabError(f"learning_rate is {self.learning_rate}: valid are numbers above 0")
        if not 0 <= self.momentum < 1:
            raise LabError(f"momentum is {self.momentum}: valid are numbers from 0 up to, not including, 1")
        if self.batch_size < 1:
            raise LabError(f"batch_size is {self.batch_size}: valid are whole numbers from 1 up")
        if not 0 <= self.seed < 2**32:
            raise LabError(f"seed is {self.seed}: valid are whole numbers from 0 to {2**32 - 1}")
        if self.epochs < 1:
            raise LabError(f"epochs is {self.epochs}: valid are whole numbers from 1 up")
        if self.train_images < 1:
            raise LabError("the training set is empty")


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
class Score:
    """The result of a network on a set of images, in evaluation mode.

    Attributes
    ----------
    loss : float
        Mean negative log-likelihood of the right class, in nats.
    correct, total : int
        Images classified correctly, images in all.
    """

    loss: float
    correct: int
    total: int

    @property
    def accuracy(self) -> float:
        """The share of images classified correctly, 0 to 1."""
        return self.correct / self.total


@dataclass(frozen=True)
class Evaluation(Score):
    """A score with what it was counted from: the probabilities, shape (total, classes)."""

    probabilities: NDArray[np.float32] = field(repr=False, compare=False)

    @property
    def score(self) -> Score:
        """Without the probabilities."""
        return Score(self.loss, self.correct, self.total)

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
    """What `fit` gives back: the epochs, the loss of every hundredth batch, and the recipe."""

    epochs: list[Epoch] = field(default_factory=list)
    batch_losses: list[BatchLoss] = field(default_factory=list)
    recipe: Recipe = field(kw_only=True)

    def __len__(self) -> int:
        return len(self.epochs)

    def first(self, epochs: int) -> "History":
        """Return the history as it stood after `epochs` epochs."""
        return History(
            [e for e in self.epochs if e.epoch <= epochs],
            [b for b in self.batch_losses if b.epoch <= epochs],
            recipe=self.recipe,
        )

    def table(self) -> pd.DataFrame:
        """Return the epochs as a table, one row per epoch, indexed by the epoch's number."""
        return pd.DataFrame([asdict(e) for e in self.epochs], columns=list(Epoch.__annotations__)).set_index("epoch")

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists and numbers, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "History":
        """Rebuild a history from what `to_dict` gave; a `LabError` says why it is none."""
        try:
            epochs = [Epoch(**e) for e in content["epochs"]]
            losses = [BatchLoss(**b) for b in content["batch_losses"]]
            recipe = Recipe(**content["recipe"])
        except (KeyError, TypeError, AttributeError) as problem:
            raise LabError(f"not a history: {problem}") from None
        for row in (*epochs, *losses):
            for name, value in vars(row).items():
                if type(value) not in (int, float):
                    raise LabError(f"not a history: {name} is no number but of type {type(value).__name__}")
        return cls(epochs, losses, recipe=recipe)
