"""Mistakes that a user can put right, each reported in one line."""

import difflib
from collections.abc import Iterable


class LabError(Exception):
    """A mistake that the user can put right.

    The message is one line: what was given, what is valid, the nearest match. The command line
    prints it and exits with code 2; a notebook shows it without a traceback.
    """

    def _render_traceback_(self) -> list[str]:
        # IPython asks an exception for its own rendering: a student needs the line, not the stack
        return [f"{type(self).__name__}: {self}"]


def unknown(kind: str, given: str, valid: Iterable[str]) -> LabError:
    """Build the error for a name that is not valid, with the valid ones and, where one is close, the nearest match.

    `kind` is what the name stands for: "run", "profile", "parameter", "notebook".
    """
    names = list(valid)
    nearest = difflib.get_close_matches(str(given), names, n=1, cutoff=0.5)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
    shown = ", ".join(names) if names else "none"
    return LabError(f"unknown {kind} {one_line(given)}: valid are {shown}{hint}")


def one_line(text: str) -> str:
    """Return a text that a user gave in quotes, escaped and cut to 80 characters."""
    shown = repr(text)
    return shown if len(shown) <= 80 else shown[:77] + "..."
