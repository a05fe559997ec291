"""What surrounds an epoch in both frameworks: order, history, state, Ctrl-C, progress, a loss that is not finite."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from labkit.base.errors import LabError
from labkit.base.progress import progress_bar
from labkit.runs.history import BatchLoss, Epoch, Evaluation, History, Recipe
from labkit.runs.states import Arrays, StateKeeper, restore_python_random_states

LOG_EVERY = 100  # batches: the report's PyTorch logs print one loss in a hundred


class Trainer(Protocol):
    """A network in training, as the loop over epochs needs it; each framework has one."""

    def put(self, order: NDArray[np.int64]) -> Any:
        """Return the order of an epoch where the network can use it: on its device. It can be sliced."""

    def train_epoch(self, batches: Iterable[Any]) -> tuple[NDArray[np.float64], int]:
        """Train once on each batch, a slice of the order; return all losses and how many images were right."""

    def test(self) -> Evaluation:
        """Evaluate the network on the test images."""

    def state(self) -> Arrays:
        """Return all that training changes: weights, optimizer, random states."""

    def restore(self, arrays: Arrays, epoch: int) -> None:
        """Go back to a state: the one after `epoch` epochs."""


def run_epochs(
    trainer: Trainer,
    recipe: Recipe,
    architecture: str,
    *,
    state_dir: str | Path | None,
    resume: bool,
    progress: bool | None,
) -> History:
    """Train for the epochs of a recipe, testing and saving the state after each.

    `architecture` is a text that changes when the network does; the rest is as `fit` takes it. After Ctrl-C, the
    history is that of the finished epochs, and the network goes back to the end of the last one.

    Raises
    ------
    LabError
        The loss is not finite, or a state is damaged.
    """
    history = History(recipe=recipe)
    keeper = StateKeeper(state_dir, recipe, architecture, resume)

    def restore(arrays: Arrays, about: dict[str, Any]) -> History:
        trainer.restore(arrays, about["epoch"])
        restore_python_random_states(about["random"])
        return replace(History.from_dict(about["history"]), recipe=recipe)

    if resume:
        if (state := keeper.newest(recipe.epochs)) is None:
            print("no saved state of this run to go on from: training starts at epoch 1")
        else:
            history = restore(*state)
            if len(history) < recipe.epochs:
                print(f"going on after epoch {len(history)}")
    bar = progress_bar(total=recipe.epochs, description="training", unit="epoch", wanted=progress)
    bar.update(len(history))
    try:
        for epoch in range(len(history) + 1, recipe.epochs + 1):
            order = trainer.put(epoch_order(recipe.train_images, recipe.seed, epoch))
            batches = [order[i : i + recipe.batch_size] for i in range(0, recipe.train_images, recipe.batch_size)]
            start = time.perf_counter()
            losses, correct = trainer.train_epoch(watched(batches, bar))
            seconds = time.perf_counter() - start
            bar.n = epoch  # a sum of fractions stays a little below: the bar would count as unfinished, and stay
            require_finite(losses, epoch)
            note_epoch(history, losses, correct, trainer.test(), seconds)
            last = history.epochs[-1]
            bar.set_postfix(loss=f"{last.train_loss:.4f}", test=f"{100 * last.test_accuracy:.2f}%")
            keeper.save(epoch, trainer.state(), history)
    except KeyboardInterrupt:
        if keeper.last is None:
            raise
        # back to the end of the last finished epoch: weights and history belong together
        history = restore(*keeper.last)
        print(f"interrupted: {len(history)} of {recipe.epochs} epochs are finished and kept")
    finally:
        bar.close()
    return history


def epoch_order(images: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the order of one epoch: a permutation that depends on nothing but seed and epoch.

    So a run that is resumed at epoch 7 sees what an uninterrupted one sees, and the same seed gives
    Keras and PyTorch the same batches.

    Parameters
    ----------
    images : int
        Training images.
    seed : int
    epoch : int
        Counted from 1.

    Returns
    -------
    int64 array, shape (images,)
    """
    return np.random.default_rng([seed, epoch]).permutation(images)


def watched(batches: Sequence[Any], bar: Any) -> Iterator[Any]:
    """Yield the batches of an epoch and move the bar by one epoch in all."""
    for batch in batches:
        yield batch
        bar.update(1 / len(batches))


def note_epoch(history: History, losses: NDArray[np.float64], correct: int, test: Evaluation, seconds: float) -> None:
    """Append an epoch to a history: the mean loss of each batch, training images right, test result, seconds.

    Raises
    ------
    LabError
        The test loss is not finite: the last step ruined the weights, and no batch after it shows that.
    """
    recipe, epoch = history.recipe, len(history) + 1
    if not np.isfinite(test.loss):
        raise _not_finite(f"the test loss is {test.loss} after epoch {epoch}", epoch)
    starts = recipe.batch_size * np.arange(len(losses))
    sizes = np.minimum(recipe.batch_size, recipe.train_images - starts)  # the last batch may be smaller
    loss = float((losses * sizes).sum() / recipe.train_images)
    history.epochs.append(Epoch(epoch, loss, correct / recipe.train_images, test.loss, test.accuracy, seconds))
    history.batch_losses += [
        BatchLoss(epoch, int(starts[i]), float(losses[i])) for i in range(0, len(losses), LOG_EVERY)
    ]


def require_finite(losses: NDArray[np.float64], epoch: int) -> None:
    """Stop a run whose loss is no longer a finite number.

    Raises
    ------
    LabError
        Names the epoch and batch (both counted from 1), and what usually helps.
    """
    bad = np.flatnonzero(~np.isfinite(losses))
    if bad.size:
        raise _not_finite(f"the loss is {losses[bad[0]]} in epoch {epoch}, batch {bad[0] + 1}", epoch)


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
    """Count the images that were classified correctly, and average the losses of the images."""
    correct = int((probabilities.argmax(axis=1) == labels).sum())
    return Evaluation(float(losses.mean(dtype=np.float64)), correct, len(labels), probabilities)
