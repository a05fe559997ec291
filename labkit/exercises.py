"""Exercises whose answers check themselves without giving the answer away.

The table holds the SHA-256 of each right answer, not the answer. Worked solutions stand in
`notebooks/solutions/`, and the tests run them.
"""

import hashlib
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np

from labkit.errors import unknown

DECIMALS = 3


@dataclass(frozen=True)
class Exercise:
    """An exercise: how its answer is tried, and the sums of what must come out.

    Attributes
    ----------
    sums : tuple of str
        `answer_sum` of the right answer, one for each case (one in all for a plain value).
    hint : str
        Shown with a wrong answer: says where to look, not what comes out.
    cases : tuple of tuples
        For an answer that is a function: the arguments it is called with. Empty for a plain value.
    """

    sums: tuple[str, ...]
    hint: str
    cases: tuple[tuple[Any, ...], ...] = ()


# By notebook number and exercise number. `answer_sum` gives the sums of a new one.
EXERCISES: dict[str, Exercise] = {
    # 00
    "00-1": Exercise(("c3a6e80f36bf9548",), "Each number of the result is the one pixel that the kernel picks."),
    "00-2": Exercise(
        ("a9135d3f70a5adb8", "cd6a460f44ac13c9", "d0bc08f112a6319c"),
        "How many whole windows fit, and what is the mean of each?",
        (
            (np.arange(16.0).reshape(4, 4), 2),
            (np.arange(15.0).reshape(5, 3) ** 2, 2),
            (np.arange(36.0).reshape(6, 6) % 7, 3),
        ),
    ),
    "00-3": Exercise(("e3181f9f09d7303f",), "A kernel of k adds k - 1 jumps, and a pooling is a kernel of 2 too."),
    # 01
    "01-1": Exercise(("3492a60e6501ee60",), "Kernels have a depth: each looks at all 64 input channels."),
    "01-2": Exercise(
        ("f768513525f8bc9a", "dde31080772a9507", "1328ccabe151e498", "8c2ba85823427b79"),
        "A kernel cannot stick out over the edge: how many positions are left for it?",
        ((28, 3, 2), (13, 3, 2), (28, 5, 2), (11, 3, 2)),
    ),
    "01-3": Exercise(("a180392b8249307e",), "60,000 is not a multiple of 128."),
    # 02
    # 03
    # 04
    # 05
    # 06
    # 07
    "07-1": Exercise(("9bf7fe63f17e4fb5",), "In images, not in percent: the square root of n p (1 - p)."),
    "07-2": Exercise(
        ("42ba559aa3832f61", "9ce998113ed2d732"),
        "The rows are the true classes: which number of a row counts the right answers?",
        ((np.array([[9, 1], [2, 8]]),), (np.array([[50, 0, 0], [3, 40, 7], [1, 1, 18]]),)),
    ),
    "07-3": Exercise(("20bf4223c2394ab0",), "Only the images that the two networks decide differently count."),
}


def answer_sum(exercise: str, answer: Any) -> str:
    """Return the sum under which an answer is known.

    Parameters
    ----------
    exercise : str
        Its id, so that equal answers of two exercises have different sums.
    answer : number, string, bool, or array-like of numbers
        Numbers count to three decimals.
    """
    if isinstance(answer, str):
        text = " ".join(answer.lower().split())
    else:
        values = np.round(np.asarray(answer, dtype=np.float64), DECIMALS) + 0.0  # + 0.0: no negative zero
        text = f"{values.shape} {values.ravel().tolist()}"
    return hashlib.sha256(f"{exercise}: {text}".encode()).hexdigest()[:16]


def check(exercise: str, answer: Any) -> None:
    """Say whether an answer is right; a wrong one gets a hint, no answer a reminder.

    Parameters
    ----------
    exercise : str
        For instance `01-2`: the second exercise of notebook 01.
    answer : value or function
        `None` while there is no answer. A function is tried on several arguments, and the first
        call that goes wrong is named.

    Raises
    ------
    LabError
        There is no such exercise.
    """
    if exercise not in EXERCISES:
        raise unknown("exercise", exercise, EXERCISES)
    entry = EXERCISES[exercise]
    if answer is None:
        print(f"Exercise {exercise}: no answer yet.")
        return
    problem = _try_function(exercise, entry, answer) if entry.cases else _try_value(exercise, entry, answer)
    print(f"Exercise {exercise}: {'not yet: ' + problem if problem else 'right.'}")


def _try_value(exercise: str, entry: Exercise, answer: Any) -> str:
    try:
        right = answer_sum(exercise, answer) == entry.sums[0]
    except (TypeError, ValueError, OverflowError):
        return f"the answer is of type {type(answer).__name__}. {entry.hint}"
    return "" if right else entry.hint


def _try_function(exercise: str, entry: Exercise, answer: Callable[..., Any]) -> str:
    if not callable(answer):
        return f"the answer should be a function, not a {type(answer).__name__}."
    for arguments, expected in zip(entry.cases, entry.sums, strict=True):
        call = f"{getattr(answer, '__name__', 'answer')}({', '.join(map(_short, arguments))})"
        try:
            result = answer(*deepcopy(arguments))  # a function that changes its arguments must not change the case
            right = result is not None and answer_sum(exercise, result) == expected
        except Exception as problem:  # a student's function may raise anything: it is an answer, not a fault of ours
            return f"{call} raised {type(problem).__name__}: {problem}"
        if not right:
            return f"{call} gives something else. {entry.hint}"
    return ""


def _short(argument: Any) -> str:
    shown = repr(argument)
    return shown if len(shown) <= 40 else f"<{type(argument).__name__}>"
