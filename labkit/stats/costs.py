"""What an epoch of each run of the report costs, measured on a quiet computer by `labkit bench`."""

import json

import pandas as pd

from labkit.base.errors import LabError
from labkit.base.paths import reference_dir
from labkit.runs.registry import Run, ten_runs


def quiet_seconds() -> pd.DataFrame:
    """Return the seconds per epoch of 60,000 images of each of the ten runs: labkit's loop on a quiet computer.

    The seconds in the histories of the reference run are upper bounds: its computer did other work as well.

    Returns
    -------
    DataFrame
        Indexed by run: `measured` (the network of `labkit bench`), `seconds` (the median), `fastest`, `slowest`.
        `attrs["device"]` names the computer.

    Raises
    ------
    LabError
        No measurement on a CPU that has all networks is shipped.
    """
    for path in sorted((reference_dir() / "bench").glob("*/bench.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        measured = {row["network"]: row for row in content["rows"] if row["loop"] == "labkit"}
        wanted = {run.id: _measured_as(run) for run in ten_runs().values()}
        if "no GPU" in content["device"] and set(wanted.values()) <= set(measured):
            rows = {
                run_id: {"measured": name, **{key: measured[name][key] for key in ("seconds", "fastest", "slowest")}}
                for run_id, name in wanted.items()
            }
            table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("run")
            table.attrs["device"] = content["device"]
            return table
    raise LabError(f"{reference_dir() / 'bench'}: no measurement of all networks on a CPU: run `labkit bench` first")


def _measured_as(run: Run) -> str:
    """Return the network of `labkit bench` that stands for a run.

    In PyTorch, Leaky ReLU is one operation as ReLU is, and costs the same.
    """
    return "leaky" if run.framework == "keras" and run.activation == "leaky_relu" else run.network
