"""The log of a PyTorch run in the form in which the report prints it."""

from labkit.runs.history import Evaluation, History


def log_lines(history: History, test: Evaluation) -> list[str]:
    r"""Return the lines of the report's log: one batch loss in a hundred, then the test result.

    Parameters
    ----------
    history : History
    test : Evaluation
        After the last epoch.

    Returns
    -------
    list of str
        `Train Epoch: 1 [12800/60000 (21%)]\tLoss: 1.858618`, and at the end
        `Test set: Average loss: 0.1062, Accuracy: 9653/10000 (97%)`: whole percents, as the report has it.
    """
    images = history.recipe.train_images
    lines = [
        f"Train Epoch: {b.epoch} [{b.images_seen}/{images} ({100 * b.images_seen / images:.0f}%)]\tLoss: {b.loss:.6f}"
        for b in history.batch_losses
    ]
    share = f"{test.correct}/{test.total} ({100 * test.accuracy:.0f}%)"
    return [*lines, f"Test set: Average loss: {test.loss:.4f}, Accuracy: {share}"]
