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
        batch = first_batch + int(bad[0]) + 1
        raise _not_finite(f"the loss is {losses[bad[0]]} in epoch {epoch}, batch {batch}", epoch)


def require_finite_test(test: Evaluation, epoch: int) -> None:
    """Stop a run whose last step of an epoch ruined the weights: no batch after it shows that.

    Raises
    ------
    LabError
        Names the epoch, counted from 1, and what usually helps.
    """
    if not np.isfinite(test.loss):
        raise _not_finite(f"the test loss is {test.loss} after epoch {epoch}", epoch)


def _not_finite(what: str, epoch: int) -> LabError:
    kept = f"; the state after epoch {epoch - 1} is kept" if epoch > 1 else ""
    return LabError(f"{what}: training stopped; a smaller learning_rate usually helps{kept}")


def out_of_memory(batch_size: int) -> LabError:
    """Build the error for a device whose memory is full: it names the setting to lower."""
    return LabError(
        f"the device ran out of memory with batch_size {batch_size}: lower batch_size, or end what else uses its memory"
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

    Attributes
    ----------
    last : tuple of arrays and dict, or None
        The newest state, in memory as well: an interrupted run goes back to it.
    """

    def __init__(self, folder: str | Path | None, recipe: Recipe, architecture: str, resume: bool) -> None:
        made_by = json.dumps([asdict(recipe), architecture])
        self.name = hashlib.sha256(made_by.encode()).hexdigest()[:16]
        self.folder = Path(folder) / self.name if folder is not None else None
        self.resumed_from = 0
        self.last: tuple[Arrays, dict[str, Any]] | None = None
        if self.folder is not None and not resume:
            shutil.rmtree(self.folder, ignore_errors=True)

    def newest(self, epochs: int) -> tuple[Arrays, dict[str, Any]] | None:
        """Return the newest state of this run up to `epochs`, or None where there is none.

        Raises
        ------
        LabError
            The state is damaged, or belongs to another run.
        """
        path = find_state(self.folder, epochs) if self.folder is not None else None
        if path is None:
            return None
        arrays, about = load_state(path)
        if about.get("run", self.name) != self.name:
            raise LabError(f"{path}: the training state of another network or recipe; delete it to train anew")
        self.resumed_from = about["epoch"]
        self.last = arrays, about
        return arrays, about

    def save(self, epoch: int, arrays: Arrays, history: History, random_states: dict[str, Any]) -> None:
        """Save the state after an epoch and drop the one before, but for the one that was resumed from."""
        about = {"run": self.name, "epoch": epoch, "history": history.to_dict(), "random": random_states}
        self.last = {name: array.copy() for name, array in arrays.items()}, about
        if self.folder is None:
            return
        save_state(state_path(self.folder, epoch), arrays, about)
        drop_older_states(self.folder, epoch, keep=[self.resumed_from])
