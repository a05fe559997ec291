"""The notebooks of the series, and what became of each in a report."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from labkit.base.errors import unknown
from labkit.base.paths import notebooks_dir

SUMMARY = "07_summary"
# What a report shows beside a notebook's own results, if it ran before: the runs of these notebooks
SHOWS_RESULTS_OF = {
    "02_more_epochs": ("01_keras_baseline",),
    "03_extra_conv_layer": ("02_more_epochs",),
    "04_leaky_relu": ("01_keras_baseline", "02_more_epochs"),
    "06_deep_bn_network": ("05_pytorch_equivalents",),
}
# Run after all others, one by one: the first collects their results, the second measures seconds
BY_THEMSELVES = (SUMMARY, "08_speed")

CELL_TIME_LIMIT_S = 4 * 3600


@dataclass(frozen=True)
class Outcome:
    """How the run of one notebook ended."""

    notebook: str  # its name without ending
    status: str  # done, failed, or skipped: done by an earlier call with the same code and parameters
    seconds: float
    problem: str  # names the cell and the error; empty where there is none
    key: str  # SHA-256 of what the run depends on: notebook, labkit, parameters, profile

    def to_dict(self) -> dict[str, Any]:
        """Return what is to be known of it, for JSON: all but the key."""
        return {name: value for name, value in asdict(self).items() if name != "key"}


def series() -> dict[str, Path]:
    """Return the notebooks of the series by name, in their order."""
    return {path.stem: path for path in sorted(notebooks_dir().glob("[0-9][0-9]_*.ipynb"))}


def choose_notebooks(names: Sequence[str]) -> dict[str, Path]:
    """Return the notebooks with these names, in the order of the series; all of them for no name.

    A name may end in `.ipynb` and have a folder before it.
    """
    notebooks = series()
    wanted = set()
    for name in names:
        stem = Path(name).name.removesuffix(".ipynb")
        if stem not in notebooks:
            raise unknown("notebook", name, notebooks)
        wanted.add(stem)
    return {name: path for name, path in notebooks.items() if name in wanted or not wanted}
