"""Progress bars that are there when somebody watches and leave nothing behind."""

import os
import sys
from pathlib import Path
from typing import Any

# Set by JupyterLab and Notebook, Colab, VS Code and Kaggle for a kernel with a person in front of it;
# not by papermill, nbconvert or nbval.
_WATCHED_KERNELS = ("JPY_SESSION_NAME", "COLAB_RELEASE_TAG", "VSCODE_PID")
# Programs that run a whole notebook by themselves. Started from a cell (`!papermill ...`), they hand the marks of the
# open notebook on to their own kernel.
_RUNNERS = {"papermill", "nbconvert", "jupyter-nbconvert", "jupyter-execute"}


def somebody_watches() -> bool:
    """Tell whether a progress bar would be seen: on a terminal, or in a notebook opened by a person."""
    if os.environ.get("LABKIT_QUIET") or os.environ.get("CI") or os.environ.get("KAGGLE_KERNEL_RUN_TYPE") == "Batch":
        return False
    if "ipykernel" in sys.modules:
        return any(os.environ.get(name) for name in _WATCHED_KERNELS) and not _started_by_a_runner()
    return sys.stderr.isatty()


def _started_by_a_runner() -> bool:
    """Tell whether the process that started this kernel is one of `_RUNNERS`; known on Linux only."""
    try:
        command = Path(f"/proc/{os.getppid()}/cmdline").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    # `python /usr/bin/papermill in.ipynb` or `python -m papermill in.ipynb`
    return any(Path(word).name in _RUNNERS for word in command.split("\0")[:3])


def progress_bar(total: float, description: str, unit: str, wanted: bool | None = None) -> Any:
    """Return a tqdm bar that disappears when it is done; a silent one unless it is wanted or somebody watches."""
    from tqdm.auto import tqdm  # the notebook flavour is chosen at import: not before it is needed

    shown = somebody_watches() if wanted is None else wanted
    return tqdm(total=total, desc=description, unit=unit, leave=False, disable=not shown)
