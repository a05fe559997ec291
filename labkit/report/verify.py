"""Run a report again as it was run, and compare the two run by run: what `labkit verify` does."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.base.errors import LabError
from labkit.report.papermill_run import run_report
from labkit.report.series import CELL_TIME_LIMIT_S, choose_notebooks
from labkit.runs.computer import device_name, environment
from labkit.runs.parameters import PARAMETERS, check_parameters
from labkit.runs.records import Record, load_records

RESULTS_KEYS = ("profile", "parameters", "versions", "device", "notebooks", "runs")


@dataclass(frozen=True)
class RunComparison:
    """How one run of a report came out the second time."""

    run: str
    same: bool  # the weights, bit by bit
    finding: str  # in words; where the weights differ, by how much the test result does


def read_results(report: Path) -> dict[str, Any]:
    """Read the `results.json` of a report with at least one run."""
    path = report / "results.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        missing = [key for key in RESULTS_KEYS if key not in content]
        if missing:
            raise LabError(f"{path}: not the results of a report: it lacks {', '.join(missing)}")
        names = [str(entry["notebook"]) for entry in content["notebooks"]]
        content["runs"] = [Record.from_dict(record) for record in content["runs"]]
        check_parameters(content["parameters"], PARAMETERS)
    except OSError as problem:
        raise LabError(f"{path}: no readable results of a report: {problem.strerror or problem}") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise LabError(f"{path}: not the results of a report") from None
    if not names or not content["runs"]:
        raise LabError(f"{path}: there is no run in it to compare")
    results: dict[str, Any] = content
    return results


def verify_report(report: Path, time_limit_s: int = CELL_TIME_LIMIT_S) -> list[RunComparison]:
    """Run a report again at its own profile, parameters, notebooks and workers, in a folder that is thrown away.

    Differences between this computer and the one recorded are printed before the results.

    Returns
    -------
    list of RunComparison
        One per run of the report.

    Raises
    ------
    LabError
        The folder holds no report, or a notebook or parameter in it is unknown.
    """
    before = read_results(report)
    notebooks = choose_notebooks([entry["notebook"] for entry in before["notebooks"]])
    print(f"verify: {len(notebooks)} notebooks again, profile {before['profile']}")
    recorded, here = before["versions"] | {"device": before["device"]}, environment() | {"device": device_name()}
    for name in sorted(recorded.keys() | here.keys()):
        if recorded.get(name) != here.get(name):
            was, is_now = recorded.get(name, "not recorded"), here.get(name, "not there")
            print(f"differs: {name} was {was}, is {is_now}", flush=True)
    with tempfile.TemporaryDirectory(prefix="labkit-verify-") as folder:
        outcomes = run_report(
            notebooks,
            Path(folder),
            before["profile"],
            before["parameters"],
            time_limit_s=time_limit_s,
            workers=before.get("workers"),
        )
        after = load_records(Path(folder))
    for outcome in outcomes:
        if outcome.status == "failed":
            print(f"failed this time: {outcome.notebook}, {outcome.problem}")
    records: list[Record] = before["runs"]
    for record in records:
        if record.run in after and after[record.run].threads != record.threads:
            print(f"differs: threads of {record.run} were {record.threads}, are {after[record.run].threads}")
    return [compare(record, after.get(record.run)) for record in records]


def compare(before: Record, after: Record | None) -> RunComparison:
    """Compare two records of one run; without a second one, the run did not come that far."""
    if after is None:
        return RunComparison(before.run, False, "no result this time")
    if before.weights_sha256 == after.weights_sha256:
        return RunComparison(before.run, True, "bitwise the same")
    accuracy = 100 * (after.test.accuracy - before.test.accuracy)
    loss = after.test.loss - before.test.loss
    finding = f"other weights: test accuracy {accuracy:+.2f} percentage points, test loss {loss:+.4f}"
    return RunComparison(before.run, False, finding)
