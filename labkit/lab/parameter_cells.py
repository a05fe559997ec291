"""The parameters of the notebook that runs, from the cells that hold them."""

from contextlib import suppress
from typing import Any

from IPython.core.getipython import get_ipython

from labkit.base.errors import unknown
from labkit.runs.parameters import PARAMETERS, assignments


def parameters_here() -> dict[str, Any]:
    """Return the parameters of the notebook that runs, as they are now; nothing outside of a notebook.

    Its parameters cells are those cells, executed so far, that hold nothing but parameters. A cell that papermill
    injected gives no new ones: it is refused where it tries to, since papermill only warns.
    """
    shell = get_ipython()
    if shell is None:
        return {}
    cells = [source for source in shell.user_ns.get("In", []) if source]
    known = set() if cells else PARAMETERS.keys() & shell.user_ns.keys()  # nbval keeps no history of the cells
    injected: list[str] = []
    for source in cells:
        if source.startswith("# Parameters\n"):
            lines = source.splitlines()[1:]  # one assignment each, not always of a literal
            injected += [name for name in (line.split(" = ", 1)[0] for line in lines) if name.isidentifier()]
            continue
        with suppress(SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
            names = assignments(source).keys()
            known |= names if names <= PARAMETERS.keys() else set()
    valid = [name for name in PARAMETERS if name in known]
    for name in injected:
        if name not in known:
            raise unknown("parameter", name, valid)
    return {name: shell.user_ns[name] for name in valid}
