"""Every check of an exercise refuses typical wrong answers; what it accepts, the solutions show."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from labkit.lab.exercises import EXERCISES, check

MODULES = [import_module(f"mutants.{p.stem}") for p in sorted((Path(__file__).parent / "mutants").glob("nb*.py"))]
WRONG = [(exercise, answer) for module in MODULES for exercise, wrong in module.MUTANTS.items() for answer in wrong]


@pytest.mark.parametrize(("exercise", "answer"), WRONG, ids=[f"{e}-{i}" for i, (e, _) in enumerate(WRONG)])
def test_a_wrong_answer_is_refused(exercise: str, answer: Any, capsys: pytest.CaptureFixture[str]) -> None:
    check(exercise, answer)
    assert capsys.readouterr().out.startswith(f"Exercise {exercise}: not yet")


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__[-4:])
def test_there_are_three_wrong_answers_for_each(module: Any) -> None:
    assert all(len(wrong) >= 3 for wrong in module.MUTANTS.values())


def test_every_exercise_has_wrong_answers() -> None:
    assert {exercise for exercise, _ in WRONG} == set(EXERCISES)
