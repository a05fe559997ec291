"""Exercises whose answers check themselves without giving the answer away.

The table holds the SHA-256 of each right answer, not the answer. Worked solutions stand in
`notebooks/solutions/`; the tests run them, and try the wrong answers of `tests/mutants/`.
"""

import hashlib
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from labkit.base.errors import unknown

DECIMALS = 3


@dataclass(frozen=True)
class Exercise:
    """An exercise: how its answer is tried, and the sums of what must come out.

    Attributes
    ----------
    sums : tuple of str
        `answer_sum` of the right answer, one per case; for a number, one for each value that counts as right.
    hint : str
        Shown with a wrong answer: says where to look, not what comes out.
    cases : tuple of tuple
        For an answer that is a function: the arguments that it is called with.
    decimals : int
        How many decimals of a number count; the question says so.
    trial : str
        `module:function` for an answer that no sum can judge: given the answer, the function returns what is wrong
        with it, or an empty text.
    """

    sums: tuple[str, ...]
    hint: str
    cases: tuple[tuple[Any, ...], ...] = ()
    decimals: int = DECIMALS
    trial: str = ""


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
    "00-4": Exercise(
        ("4113a40de86a5b34", "4be197359eec6bdf", "acc5365af710fe2b"),
        "How many positions are there in each direction, and where in the image does each of them begin?",
        (
            (np.arange(42.0).reshape(6, 7) % 5, np.arange(9.0).reshape(3, 3), 2),
            (np.arange(40.0).reshape(8, 5) % 7, np.array([[1.0, -2.0], [0.0, 3.0]]), 1),
            (np.arange(88.0).reshape(8, 11) % 9, np.array([[1.0, -2.0], [0.0, 3.0]]), 3),
        ),
    ),
    # 01
    "01-1": Exercise(("e2800f1384fcd299",), "Kernels have a depth: each looks at all 64 input channels."),
    "01-2": Exercise(
        (
            "f768513525f8bc9a",
            "dde31080772a9507",
            "1328ccabe151e498",
            "8c2ba85823427b79",
            "57928d77bfb338ae",
            "57928d77bfb338ae",
            "6ad6b1ed4ad9018c",
        ),
        "A kernel cannot stick out over the edge: how many positions are left for it? Then how many whole windows?",
        ((28, 3, 2), (13, 3, 2), (28, 5, 2), (11, 3, 2), (28, 3, 3), (12, 5, 1), (30, 7, 4)),
    ),
    "01-3": Exercise(("a180392b8249307e",), "60,000 is not a multiple of 128."),
    "01-4": Exercise(("207c9f4f4cc7790d",), "Each image has its own loss; the batch has their mean.", decimals=2),
    # 02
    "02-1": Exercise(
        ("44519d21c7b01359", "0463d9ab13c05cd6", "04feb1179fb6cbac", "8ef5dd32c10141eb"),
        "The text gives the standard error of a number of images. An accuracy is that number divided by all images. "
        "Mind the percentage points. Three decimals count.",
        ((0.9869, 10_000), (0.5, 100), (0.98, 2_500), (0.9735, 60_000)),
    ),
    # rounded up after a float error, it is one more
    "02-2": Exercise(
        ("6e4868c4d88bcb1e", "8d2d5faec519aa95"), "Solve the formula of exercise 1 for the number of images."
    ),
    "02-3": Exercise(
        (
            "907bd7e62ba1a92a",
            "8e4ac8db1ec8eb1e",
            "1c8ab2cb84811f4c",
            "907bd7e62ba1a92a",
            "18511d8cfbd1be1e",
            "1c8ab2cb84811f4c",
        ),
        "What comes after the stop is never seen; an epoch that only equals the best is not better.",
        (
            ([0.5, 0.4, 0.3, 0.35, 0.36, 0.2], 2),
            ([0.5, 0.4, 0.3, 0.35, 0.36, 0.2], 3),
            ([0.3, 0.3, 0.3], 2),
            ([0.9, 0.8, 0.7], 1),
            ([0.5, 0.6, 0.4, 0.45, 0.3, 0.35], 2),
            ([0.5, 0.7, 0.6, 0.55, 0.4], 2),
        ),
    ),
    # 03
    "03-1": Exercise(
        ("f84b7f9b85a8288d",), "Parameters, not features: how many weights lead from each feature into the layer?"
    ),
    "03-2": Exercise(
        ("61beca69ce1b4d45", "b1144d6fa5ea72e5", "04790fb57746cf50", "d76d44655ac2de11"),
        "Go block by block: first the convolution, then the pooling.",
        ((28, 2, "valid"), (28, 3, "valid"), (28, 3, "same"), (32, 3, "valid")),
    ),
    "03-3": Exercise(
        ("5ae3f2cb9ea79ffb", "ffec210198e78c74", "e78ea27f22138299", "ffec210198e78c74", "5ae3f2cb9ea79ffb"),
        "Backwards, a pooling window needs as many rows as it is high, and a kernel two more rows. What the pooling "
        "dropped on the way forwards does not come back.",
        (((2, 2),), ((2, 2, 2),), ((2,),), ((5, 2),), ((2, 2, 1),)),
    ),
    # 04
    "04-1": Exercise(
        ("21a8bf57d49fa1d9", "bd8dc41f74a37c11", "0c50ba0bfb5fff00", "21a8bf57d49fa1d9", "6face38fac0c9346"),
        "x is fixed here and the slope moves: how much does the output change?",
        ((2.0, 0.1), (-3.0, 0.1), (-0.5, 0.01), (4.0, 0.3), (-1.25, 0.5)),
    ),
    "04-2": Exercise(
        ("026f1ade69b9d059", "12ef8c55d433c84a", "026f1ade69b9d059", "12ef8c55d433c84a"),
        "Which input gives the largest weighted sum? The unit is on only above 0.",
        (([1.0, -2.0, 0.5], -1.6), ([1.0, -2.0, 0.5], -1.4), ([-1.0, -1.0], 0.0), ([-1.0, -3.0], 0.1)),
    ),
    "04-3": Exercise(
        ("1133b75575fccba8",),
        "The variances of the two numbers add. And which whole number is the first above two standard errors?",
    ),
    # 05
    "05-1": Exercise(
        ("e04e9c6b0d06c6d9", "2a1c47dfb291dd74", "bc8ba277ec05c301", "4ae64f787041fc36"),
        "Adding the same number to all logits changes nothing; which number keeps the exponentials small?",
        (([2.0, 0.5, -1.0], 0), ([0.0, 1000.0], 1), ([0.0, 1000.0], 0), ([3.0] * 10, 7)),
    ),
    "05-2": Exercise(
        ("f4e315128bf26996", "d33ecc024bbe66ee", "9689d9d0945255d5", "8d28fa955597e5f5"),
        "First the velocity, then the weight; and the weight moves against the gradient.",
        ((0.1, 0.5, 1), (0.1, 0.5, 2), (1.0, 0.9, 10), (0.1, 0.0, 7)),
    ),
    "05-3": Exercise(
        ("833c3cf6ef8fe376", "4832aeb1b94fabfb", "3163e69b5eb94abc", "c5a6699a67e05fce", "8381e7348d864b29"),
        "In which of the two is the next channel the next number? In which is it 25 numbers away?",
        ((0, 0, 0), (1, 0, 0), (0, 0, 1), (10, 2, 3), (63, 4, 4)),
    ),
    "05-4": Exercise(
        (), "Compare your loop with that of the notebook, line by line.", trial="labkit.torch.loop_trial:try_loop"
    ),
    # 06
    "06-1": Exercise(("58d074a1574c8a18",), "Biases count; running means and variances do not."),
    "06-2": Exercise(
        ("8a7a1023ff8f81ae", "63bed09ed36cef41", "e0feb9afed2cc5f6", "6f6d0657fe2f6dd2"),
        "Write the formula for one value x and sort it by x: what multiplies x, and what remains for x = 0?",
        (
            (5.0, 9.0, 1.0, 0.0, 1e-5),
            (-2.0, 0.25, 1.5, 0.5, 1e-3),
            (0.3, 0.0, 0.01, -1.0, 0.001),
            (4.0, 3.0, -2.0, 1.0, 1.0),
        ),
    ),
    "06-3": Exercise(("8a90549f90d92a5c",), "Each switch has two positions, whatever the others do."),
    # 07
    "07-1": Exercise(("e49ae6a2547248c0",), "In images, not in percent: the square root of n p (1 - p).", decimals=1),
    "07-2": Exercise(
        ("42ba559aa3832f61", "9ce998113ed2d732"),
        "The rows are the true classes: which number of a row counts the right answers?",
        ((np.array([[9, 1], [2, 8]]),), (np.array([[50, 0, 0], [3, 40, 7], [1, 1, 18]]),)),
    ),
    "07-3": Exercise(
        ("2a026d9c54fa2f07",), "Only the images that the two networks decide differently count.", decimals=2
    ),
    # 08
    "08-1": Exercise(("ffd177e3a6aa7200",), "Work divided by rate; mind tera and giga.", decimals=2),
    "08-2": Exercise(
        ("e695e97cf89e2642", "1ba20238d7cbcfce", "4315166356c4647b", "f406cca655a861aa"),
        "Take the old epoch as 1: how long does the part that stays as it was take, and how long the other one?",
        ((0.65, 2), (0.65, 1000), (0.1, 10), (1.0, 4)),
    ),
    "08-3": Exercise(
        (
            "2c62d94502f0146f",
            "9bd7f5162b6141b1",
            "e8dcc97cbf6cca41",
            "92044df69961a0a7",
            "2c62d94502f0146f",
            "8db9acf1f181fe01",
        ),
        "Two straight lines: the first takes a quarter of all steps, the second three quarters.",
        ((0, 100, 0.15), (10, 100, 0.15), (25, 100, 0.15), (60, 80, 0.3), (586, 586, 0.15), (1, 8, 0.4)),
    ),
    # 09
    "09-1": Exercise(
        ("b4814f2231956928", "adcfd02463fe3589", "5dac786b65997c63"),
        "Divide s, with n - 1 in its denominator, by the square root of n; and the factor is that of n - 1 degrees.",
        (([98.4, 98.5],), ([98.41, 98.36, 98.47, 98.4],), ([97.0, 98.0, 99.5],)),
    ),
    "09-2": Exercise(
        ("f54f62d1f4a08e80",),
        "One throw for each image that only one of the two gets right; and both tails count.",
        decimals=2,
    ),
    "09-3": Exercise(  # by the noncentral t distribution, or by the normal approximation
        ("eba37ee23fa9d9bb", "4173a00e3a3ecd3d"),
        "The same seeds for both recipes: paired. And 90%, not 80%, rounded up.",
    ),
    "09-4": Exercise(
        (
            "0308cb763f5eb06b",
            "0308cb763f5eb06b",
            "d02160ff00b87d7f",
            "d02160ff00b87d7f",
            "a8b474d011de44d9",
            "a8b474d011de44d9",
            "598c268258230842",
            "598c268258230842",
        ),
        "The verdicts are tried in an order: which one comes first? And what makes a sign the claimed one?",
        (
            (-5.1, -1, 0.016, 0.118),
            (6.0, 1, 0.03, 0.001),
            (150.0, 1, 0.98, 0.001),
            (-48.0, -1, 0.97, 0.02),
            (-48.0, 1, 0.97, 0.02),
            (20.0, -1, 0.6, 0.03),
            (-30.0, 1, 0.9, 0.05),
            (4.0, 1, 0.05, 1.0),
        ),
    ),
}


def answer_sum(exercise: str, answer: Any, decimals: int = DECIMALS) -> str:
    """Return the sum under which an answer is known: a text, or numbers, which count to some decimals.

    Equal answers of two exercises have different sums.
    """
    if isinstance(answer, str):
        text = " ".join(answer.lower().split())
    else:
        values = np.round(np.asarray(answer, dtype=np.float64), decimals) + 0.0  # + 0.0: no negative zero
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
    if entry.trial:
        problem = _try_out(entry, answer)
    elif entry.cases:
        problem = _try_function(exercise, entry, answer)
    else:
        problem = _try_value(exercise, entry, answer)
    print(f"Exercise {exercise}: {'not yet: ' + problem if problem else 'right.'}")


def _try_value(exercise: str, entry: Exercise, answer: Any) -> str:
    try:
        right = answer_sum(exercise, answer, entry.decimals) in entry.sums
    except (TypeError, ValueError, OverflowError):
        return f"the answer is of type {type(answer).__name__}. {entry.hint}"
    if right:
        return ""
    if isinstance(answer, tuple) and all(np.ndim(part) == 0 for part in answer):
        return "a comma makes a tuple in Python: write 60_000 for 60,000, and a point before decimals."
    return entry.hint


def _try_out(entry: Exercise, answer: Any) -> str:
    module, _, name = entry.trial.partition(":")
    try:
        problem: str = getattr(import_module(module), name)(answer)
    except Exception as fault:  # as below: raised by the student's code
        problem = f"it raised {type(fault).__name__}: {fault}"
    return f"{problem} {entry.hint}".strip() if problem else ""


def _try_function(exercise: str, entry: Exercise, answer: Callable[..., Any]) -> str:
    if not callable(answer):
        return f"the answer should be a function, not a {type(answer).__name__}."
    for arguments, expected in zip(entry.cases, entry.sums, strict=True):
        call = f"{getattr(answer, '__name__', 'answer')}({', '.join(map(_short, arguments))})"
        try:
            result = answer(*deepcopy(arguments))  # a function that changes its arguments must not change the case
            right = answer_sum(exercise, result, entry.decimals) == expected
        except Exception as problem:  # a student's function may raise anything: it is an answer, not a fault of ours
            return f"{call} raised {type(problem).__name__}: {problem}. {entry.hint}"
        if result is None:
            return f"{call} returns None: is a `return` missing?"
        if not right:
            return f"{call} gives something else. {entry.hint}"
    return ""


def _short(argument: Any) -> str:
    if isinstance(argument, np.ndarray):
        return f"<array of shape {argument.shape}>"
    shown = repr(argument)
    return shown if len(shown) <= 40 else f"<{type(argument).__name__}>"
