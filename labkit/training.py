"""What both training loops share: the checks before, the record after, the faults between."""

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labkit.batches import LOG_EVERY
from labkit.errors import LabError
from labkit.history import BatchLoss, Evaluation, History
from labkit.state import Arrays, drop_older_states, find_state, load_state, save_state, state_path


@dataclass(frozen=True)
class Recipe:
    """The settings of a training run, apart from the network and the number of epochs."""

    learning_rate: float
    momentum: float
    batch_size: int
    seed: int
    train_images: int
    data_sha256: str

    def check(self) -> None:
        """Refuse settings that cannot train.

        Raises
        ------
        LabError
            One line with the setting, its value and the valid ones.
        """
        if not (np.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise LabError(f"learning_rate is {self.learning_rate}: valid are numbers above 0")
        if not 0 <= self.momentum < 1:
            raise LabError(f"momentum is {self.momentum}: valid are numbers from 0 up to, not including, 1")
        if self.batch_size < 1:
            raise LabError(f"batch_size is {self.batch_size}: valid are whole numbers from 1 up")
        if self.seed < 0:
            raise LabError(f"seed is {self.seed}: valid are whole numbers from 0 up")
        if self.train_images < 1:
            raise LabError("the training set is empty")


def batch_losses(losses: NDArray[np.float64], epoch: int, batch_size: int) -> list[BatchLoss]:
    """Return every hundredth of an epoch's batch losses, as the report's logs print them.

    Parameters
    ----------
    losses : float array, shape (batches,)
        Mean loss of each batch.
    epoch : int
    batch_size : int
    """
    logged = range(0, len(losses), LOG_EVERY)
    return [BatchLoss(epoch, batch * batch_size, float(losses[batch])) for batch in logged]


def require_finite(losses: NDArray[np.float64], epoch: int, first_batch: int) -> None:
    """Stop a run whose loss is no longer a finite number.

    Raises
    ------
    LabError
        Names the epoch and batch (both counted from 1), and what usually helps.
    """
    bad = np.flatnonzero(~np.isfinite(losses))
    if bad.size:
        raise LabError(
            f"the loss is {losses[bad[0]]} in epoch {epoch}, batch {first_batch + int(bad[0]) + 1}: training stopped; "
            "a smaller learning rate usually helps"
        )


def evaluation_of(
    probabilities: NDArray[np.float32], labels: NDArray[np.uint8], losses: NDArray[np.float32]
) -> Evaluation:
    """Build an `Evaluation` from per-image probabilities and losses."""
    correct = int((probabilities.argmax(axis=1) == labels).sum())
    return Evaluation(float(losses.mean(dtype=np.float64)), correct, len(labels), probabilities)


class StateKeeper:
    """Saves a run's state after every epoch, and finds the one to go on from.

    The states of a run lie in a folder named by what made them (network and recipe), so that a run
    never goes on from the state of another.

    Parameters
    ----------
    folder : str, Path or None
        Under which that folder is made; None keeps nothing.
    recipe : Recipe
    architecture : str
        A text that changes when the network does.
    resume : bool
        Go on from what is there; otherwise earlier states of the same run are removed.
    """

    def __init__(self, folder: str | Path | None, recipe: Recipe, architecture: str, resume: bool) -> None:
        made_by = json.dumps([asdict(recipe), architecture])
        name = hashlib.sha256(made_by.encode()).hexdigest()[:16]
        self.folder = Path(folder) / name if folder is not None else None
        self.resumed_from = 0
        if self.folder is not None and not resume:
            shutil.rmtree(self.folder, ignore_errors=True)

    def newest(self, epochs: int) -> tuple[Arrays, dict[str, Any]] | None:
        """Return the newest state of this run up to `epochs`, or None where there is none.

        Raises
        ------
        LabError
            The state is damaged.
        """
        path = find_state(self.folder, epochs) if self.folder is not None else None
        if path is None:
            return None
        arrays, about = load_state(path)
        self.resumed_from = about["epoch"]
        return arrays, about

    def save(self, epoch: int, arrays: Arrays, history: History, random_states: dict[str, Any]) -> None:
        """Save the state after an epoch and drop the one before, but for the one that was resumed from."""
        if self.folder is None:
            return
        about = {"epoch": epoch, "history": history.to_dict(), "random": random_states}
        save_state(state_path(self.folder, epoch), arrays, about)
        drop_older_states(self.folder, epoch, keep=[self.resumed_from])
