"""Progress bars that are there when somebody watches and leave nothing behind."""

import os
import sys
from typing import Any

# Set by JupyterLab and Notebook, Colab, VS Code and Kaggle for a kernel with a person in front of it;
# not by papermill, nbconvert or nbval.
_WATCHED_KERNELS = ("JPY_SESSION_NAME", "COLAB_RELEASE_TAG", "VSCODE_PID")


def somebody_watches() -> bool:
    """Tell whether a progress bar would be seen: on a terminal, or in a notebook opened by a person."""
    if os.environ.get("LABKIT_QUIET") or os.environ.get("CI"):
        return False
    if "ipykernel" in sys.modules:
        return any(os.environ.get(name) for name in _WATCHED_KERNELS)
    return sys.stderr.isatty()


def progress_bar(total: float, description: str, unit: str, wanted: bool | None = None) -> Any:
    """Return a tqdm bar that disappears when it is done; a silent one when nobody watches.

    Parameters
    ----------
    total : float
        Units in all.
    description, unit : str
        Shown before and after the bar.
    wanted : bool, optional
        Overrides the question whether somebody watches.
    """
    from tqdm.auto import tqdm  # the notebook flavour is chosen at import: not before it is needed

    shown = somebody_watches() if wanted is None else wanted
    return tqdm(total=total, desc=description, unit=unit, leave=False, disable=not shown)
