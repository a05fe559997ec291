"""Run the unit tests, then nbval over the notebooks, on all cores: what `make test` calls.

nbval checks the committed outputs against a quick run. Cells whose output depends on scale carry the tag
`nbval-ignore-output`; everything else must come out exactly as committed. With `--slow`, as CI does, every notebook and
all solutions are run; without, the few notebooks that reach every module of labkit.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from platforms.run import FEW

ROOT = Path(__file__).resolve().parents[1]
WORKERS = ["-n", "2", "--dist", "loadfile"]


def main() -> int:
    """Return 0 when everything passed, else the first exit code that was not 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slow", action="store_true", help="run the heavy proofs as well")
    slow = parser.parse_args().slow
    with tempfile.TemporaryDirectory() as out:
        # two processes on two cores: one thread each, or they wait for each other
        environment = os.environ | {
            "LABKIT_PROFILE": "quick",
            "LABKIT_OUT": out,
            "OMP_NUM_THREADS": "1",
            "TF_NUM_INTRAOP_THREADS": "1",
            "JUPYTER_PLATFORM_DIRS": "1",
        }
        # in the order of their names: the longest files have few tests, and would come last otherwise
        unit = [sys.executable, "-m", "pytest", *WORKERS, "--no-loadscope-reorder", "tests"]
        if not slow:
            unit += ["-m", "not slow"]
        books = [sys.executable, "-m", "pytest", *WORKERS, "-p", "tests.kernel_start", "-p", "no:cacheprovider"]
        books += ["--nbval", "--nbval-cell-timeout", "900", "--nbval-sanitize-with", "tests/sanitize.cfg"]
        books += ["notebooks"] if slow else [f"notebooks/{name}.ipynb" for name in FEW]
        codes = [
            subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode for command in (unit, books)
        ]
    return next((code for code in codes if code), 0)


if __name__ == "__main__":
    sys.exit(main())
