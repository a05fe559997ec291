"""The log of a PyTorch run has the form that the report prints."""

import numpy as np

from labkit.runs.history import BatchLoss, Evaluation, History, Recipe
from labkit.torch.log import log_lines

RECIPE = Recipe(0.01, 0.5, 128, 1, 1, 60_000, "0")


def test_lines_have_the_form_of_the_report() -> None:
    history = History([], [BatchLoss(1, 0, 2.3383607), BatchLoss(1, 12_800, 1.858618)], recipe=RECIPE)
    test = Evaluation(0.10616, 9653, 10_000, np.zeros((0, 10), np.float32))
    assert log_lines(history, test) == [
        "Train Epoch: 1 [0/60000 (0%)]\tLoss: 2.338361",
        "Train Epoch: 1 [12800/60000 (21%)]\tLoss: 1.858618",
        "Test set: Average loss: 0.1062, Accuracy: 9653/10000 (97%)",
    ]


def test_no_training_gives_the_test_line_alone() -> None:
    test = Evaluation(2.3, 980, 10_000, np.zeros((0, 10), np.float32))
    assert log_lines(History(recipe=RECIPE), test) == ["Test set: Average loss: 2.3000, Accuracy: 980/10000 (10%)"]
