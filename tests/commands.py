"""Command lines run in this process, and what every refusal of one looks like."""

import io
from contextlib import redirect_stderr, redirect_stdout
from typing import NamedTuple

import pytest

from labkit.cli import main


class Answer(NamedTuple):
    """What a command line gave."""

    code: object
    out: str
    err: str


def call(*arguments: str) -> Answer:
    """Run a command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as caught:
        main(list(arguments))
    return Answer(caught.value.code, out.getvalue(), err.getvalue())


def assert_refused(answer: Answer) -> None:
    """Check that a command line ended with exit code 2 and one line on stderr."""
    assert answer.code == 2, answer
    assert answer.err.startswith("labkit: ")
    assert answer.err.count("\n") == 1
    assert answer.err.endswith("\n")
    assert "Traceback" not in answer.err
