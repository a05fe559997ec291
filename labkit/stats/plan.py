"""The plan of the evidence, written before its training: what is trained, how it is judged, and how far it has come."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import pandas as pd

from labkit.base.errors import unknown
from labkit.base.paths import evidence_dir
from labkit.runs.registry import ten_runs
from labkit.stats.counts import TEST_IMAGES


@cache
def read_plan() -> dict[str, Any]:
    """Return the plan: what is trained, with how many seeds, and how it is judged."""
    plan: dict[str, Any] = json.loads((evidence_dir() / "plan.json").read_text(encoding="utf-8"))
    return plan


@dataclass(frozen=True)
class Rules:
    """How differences are judged, as declared beforehand.

    Attributes
    ----------
    alpha : float
        The level of each test.
    margin : float
        Accuracies closer than this count as practically equal: 0.001 is 10 of the 10,000 test images.
    """

    alpha: float
    margin: float


def read_rules() -> Rules:
    """Return the level and the margin of the plan."""
    plan = read_plan()
    return Rules(plan["alpha"], plan["margin_images"] / TEST_IMAGES)


def recipe(run_id: str) -> tuple[str, str, str]:
    """Return framework, network and activation of a run of the plan or of the report.

    Raises
    ------
    LabError
        There is no such run.
    """
    if run_id in ten_runs():
        run = ten_runs()[run_id]
        return run.framework, run.network, run.activation
    planned = read_plan()["runs"]
    if run_id not in planned:
        raise unknown("run", run_id, [*ten_runs(), *planned])
    return planned[run_id]["framework"], planned[run_id]["network"], planned[run_id]["activation"]


def epochs_of(run_id: str) -> int:
    """Return the epochs of a run of the plan or of the report: the number that its id ends with."""
    recipe(run_id)
    return int(run_id.rpartition("-")[2])


def planned_seeds(run_id: str) -> int:
    """Return how many seeds the plan has of a run, or of a longer run that begins with it; 0 for none."""
    plan = read_plan()
    return sum(
        stage["seeds"]
        for stage in plan["stages"]
        for run in stage["runs"]
        if recipe(run) == recipe(run_id) and epochs_of(run_id) in stage["test_after"]
    )


def progress_table(counts: "pd.Series[int]", run_ids: Sequence[str]) -> pd.DataFrame:
    """Compare the seeds that there are with those of the plan.

    Parameters
    ----------
    counts : Series
        Seeds by run.
    run_ids : sequence of str
        The rows.
    """
    rows = {}
    for run_id in run_ids:
        planned, there = planned_seeds(run_id), int(counts.get(run_id, 0))
        rows[run_id] = {"planned seeds": planned, "shipped seeds": there, "state": state(there, planned)}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("run")


def state(there: int, planned: int) -> str:
    """Return `complete`, `interim` (fewer seeds than planned), or `not yet` (none)."""
    return "complete" if there >= planned else "interim" if there else "not yet"
