"""What was measured of the ladder to 99%: each rung, the top without one of them, and the choice of the epochs.

`python -m labkit.bench.climb` measures; `labkit.torch.ladder` has the settings.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from scipy import stats

from labkit.base.errors import unknown
from labkit.base.paths import reference_dir


def measured_ladder() -> dict[str, Any]:
    """Return what is shipped: `device`, `rungs`, `left_out` and, by goal, `candidates`, with one value per seed."""
    measured: dict[str, Any] = json.loads((reference_dir() / "ladder.json").read_text(encoding="utf-8"))
    return measured


def ladder_table() -> pd.DataFrame:
    """Return seconds and test accuracy of each rung, from the plain loop up: means and standard deviations."""
    return _table(measured_ladder()["rungs"])


def leave_one_out_table() -> pd.DataFrame:
    """Return seconds and test accuracy of the top rung, and of the top rung with one of the changes taken back."""
    measured = measured_ladder()
    top = list(measured["rungs"])[-1]
    return _table({"all of them": measured["rungs"][top]} | measured["left_out"])


def epochs_table(goal: str) -> pd.DataFrame:
    """Return, for each number of epochs that was tried for a goal, the accuracy on the validation images in percent.

    A number of epochs reaches the goal when the mean over seeds, less two standard errors, is at least as high.

    Parameters
    ----------
    goal : str
        `99.0%` or `99.5%`.

    Returns
    -------
    DataFrame
        `seeds`, `mean (%)`, `standard error`, `reaches`, by epochs.

    Raises
    ------
    LabError
        There is no such goal.
    """
    candidates: Mapping[str, Sequence[dict[str, Any]]] = measured_ladder()["candidates"]
    if goal not in candidates:
        raise unknown("goal", goal, candidates)
    rows = {}
    for tried in candidates[goal]:
        percent = 100 * pd.Series(tried["accuracies"])
        error = float(stats.sem(percent))
        reaches = percent.mean() - 2 * error >= float(goal.rstrip("%"))
        rows[tried["epochs"]] = [len(percent), percent.mean(), error, bool(reaches)]
    columns = ["seeds", "mean (%)", "standard error", "reaches"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("epochs")


def _table(rungs: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    rows = {}
    for name, one in rungs.items():
        seconds, percent = pd.Series(one["seconds"]), 100 * pd.Series(one["accuracies"])
        rows[name] = [len(percent), seconds.mean(), seconds.std(), percent.mean(), percent.std()]
    columns = ["seeds", "seconds", "seconds, deviation", "accuracy (%)", "accuracy, deviation"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)
