"""Exercises that check themselves: what counts as right, and what a wrong answer is told."""

import functools
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.base.errors import LabError
from labkit.lab import exercises
from labkit.lab.exercises import EXERCISES, Exercise, answer_sum, check


@pytest.fixture(autouse=True)
def made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three made exercises: a number, a word, a function of a list."""
    cases: tuple[tuple[Any, ...], ...] = (([3, 1, 2],), ([],))
    made = {
        "99-1": Exercise((answer_sum("99-1", 469),), "Divide and round up."),
        "99-2": Exercise((answer_sum("99-2", "leaky relu"),), "Look at the slope."),
        "99-3": Exercise(tuple(answer_sum("99-3", sorted(*c)) for c in cases), "Mind the empty list.", cases),
    }
    monkeypatch.setattr(exercises, "EXERCISES", made)


def told(capsys: pytest.CaptureFixture[str], exercise: str, answer: Any) -> str:
    check(exercise, answer)
    return capsys.readouterr().out


@pytest.mark.parametrize("answer", [469, 469.0, 469.0001, np.float32(469), np.int64(469), np.array(469)])
def test_a_right_number_is_right_in_any_type(answer: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "99-1", answer) == "Exercise 99-1: right.\n"


@pytest.mark.parametrize("answer", ["leaky relu", "Leaky ReLU", "  LEAKY \n relu "])
def test_a_word_may_be_spaced_and_written_large(answer: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "99-2", answer) == "Exercise 99-2: right.\n"


@pytest.mark.parametrize(
    "answer", [468, 469.01, "469", -469, True, [469], float("nan"), float("inf"), np.zeros(3), [469, 469], []]
)
def test_a_wrong_answer_gets_the_hint(answer: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "99-1", answer) == "Exercise 99-1: not yet: Divide and round up.\n"


@pytest.mark.parametrize("answer", [object(), len, {"a": 1}, [1, [2]], 10**400, 1j, b"\xff"])
def test_an_answer_of_a_strange_type_gets_its_type_and_the_hint(
    answer: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"not yet: the answer is of type {type(answer).__name__}. Divide" in told(capsys, "99-1", answer)


def test_a_thousands_comma_is_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    assert "a comma makes a tuple in Python" in told(capsys, "99-1", (1, 469))


def test_no_answer_is_reminded_of(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "99-3", None) == "Exercise 99-3: no answer yet.\n"


def test_a_right_function_is_right_however_it_is_made(capsys: pytest.CaptureFixture[str]) -> None:
    def in_place(numbers: list[int]) -> list[int]:
        numbers.sort()
        return numbers

    for answer in (sorted, lambda numbers: sorted(numbers), functools.partial(sorted, reverse=False), in_place):
        assert told(capsys, "99-3", answer) == "Exercise 99-3: right.\n"


def test_a_function_that_changes_its_arguments_does_not_change_the_exercise(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def spoil(numbers: list[int]) -> None:
        numbers.clear()

    told(capsys, "99-3", spoil)
    assert told(capsys, "99-3", sorted) == "Exercise 99-3: right.\n"


def test_a_wrong_function_is_told_which_call_goes_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    def first(numbers: list[int]) -> int:
        return numbers[0]

    def only_full(numbers: list[int]) -> list[int]:
        return sorted(numbers) or [0]

    assert "first([3, 1, 2]) gives something else. Mind the empty list." in told(capsys, "99-3", first)
    assert "only_full([]) gives something else." in told(capsys, "99-3", only_full)
    assert "max([3, 1, 2]) gives something else." in told(capsys, "99-3", max)
    raised = "<lambda>([3, 1, 2]) raised ZeroDivisionError: division by zero. Mind the empty list."
    assert raised in told(capsys, "99-3", lambda numbers: 1 / 0)
    assert "<lambda>([3, 1, 2]) raised TypeError" in told(capsys, "99-3", lambda: 1)
    assert "<lambda>([3, 1, 2]) returns None: is a `return` missing?" in told(capsys, "99-3", lambda numbers: None)
    assert "the answer should be a function, not a list" in told(capsys, "99-3", [1, 2, 3])


def test_an_unknown_exercise_is_refused() -> None:
    with pytest.raises(LabError, match="unknown exercise '99-9': valid are 99-1, 99-2, 99-3"):
        check("99-9", 1)


def test_the_same_answer_has_another_sum_in_another_exercise() -> None:
    assert answer_sum("01-1", 5) != answer_sum("01-2", 5)


@given(st.floats(-1e6, 1e6))
def test_numbers_count_to_three_decimals(number: float) -> None:
    assert answer_sum("x", number) == answer_sum("x", round(number, 3))
    assert answer_sum("x", number) != answer_sum("x", number + 0.01)


def test_minus_zero_is_zero() -> None:
    assert answer_sum("x", -0.0) == answer_sum("x", 0) == answer_sum("x", -0.0001)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.complex_numbers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(anything)
@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
def test_no_answer_is_a_fault(answer: Any) -> None:
    for exercise in ("99-1", "99-2", "99-3"):
        check(exercise, answer)
        check(exercise, lambda *_: answer)


def test_every_exercise_of_the_series_is_well_formed() -> None:
    for exercise, entry in EXERCISES.items():
        if entry.cases:
            assert len(entry.sums) == len(entry.cases), exercise
        else:
            assert bool(entry.sums) != bool(entry.trial), exercise
        assert all(re.fullmatch("[0-9a-f]{16}", total) for total in entry.sums), exercise
        assert entry.hint.endswith((".", "?")), exercise
