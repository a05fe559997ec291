"""Notebook parameters: read from a notebook, and checked before anything runs."""

import math
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import labkit.lab.notebook
from labkit.base.errors import LabError
from labkit.lab.notebook import Lab
from labkit.runs.parameters import PARAMETERS, check_parameters, notebook_parameters


def write_notebook(path: Path, *sources: str, tags: Sequence[str] = ("parameters",)) -> Path:
    """Write a notebook with a title, these cells under the tags, and one more cell."""
    tagged = [new_code_cell(source, metadata={"tags": list(tags)}) for source in sources]
    nbformat.write(new_notebook(cells=[new_markdown_cell("# Title"), *tagged, new_code_cell("seed = 99")]), path)
    return path


def test_the_parameters_cell_is_read(tmp_path: Path) -> None:
    source = (
        'seed: int = 3  # a comment\nprofile = "auto"\nepochs: int | None = None\nlearning_rate = 1e-2\nresume = False'
    )
    assert notebook_parameters(write_notebook(tmp_path / "a.ipynb", source)) == {
        "seed": 3,
        "profile": "auto",
        "epochs": None,
        "learning_rate": 0.01,
        "resume": False,
    }


@pytest.mark.parametrize(
    "source",
    [
        "seed = make_seed()",
        "seed: int",
        "seed = epochs = 1",
        "seed += 1",
        "import os",
        "seed = ",
        "seed = {[1]: 2}",
        "print(1)",
        "seed = " + "(" * 300,
        "seed = '\0'",
        "%time seed = 1",
    ],
)
def test_a_cell_with_anything_but_literals_is_refused(source: str, tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"a\.ipynb: its parameters cell") as caught:
        notebook_parameters(write_notebook(tmp_path / "a.ipynb", source))
    assert "\n" not in str(caught.value)


def test_exactly_one_cell_is_tagged(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="0 cells are tagged `parameters`; valid is one"):
        notebook_parameters(write_notebook(tmp_path / "none.ipynb", "seed = 1", tags=()))
    with pytest.raises(LabError, match="2 cells are tagged"):
        notebook_parameters(write_notebook(tmp_path / "two.ipynb", "seed = 1", "seed = 2"))


def test_a_name_that_labkit_does_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"unknown parameter 'sed': .*did you mean 'seed'"):
        notebook_parameters(write_notebook(tmp_path / "a.ipynb", "sed = 1"))


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", '{"nbformat": 4, "nbformat_minor": 5}', "plain text", "\0"])
def test_a_file_that_is_no_notebook_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(LabError, match=r"a\.ipynb: not a readable notebook") as caught:
        notebook_parameters(path)
    assert "\n" not in str(caught.value)


def test_a_missing_notebook_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"missing\.ipynb: not a readable notebook"):
        notebook_parameters(tmp_path / "missing.ipynb")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", 0),
        ("seed", 2**32 - 1),
        ("epochs", None),
        ("epochs", 1),
        ("learning_rate", 1),
        ("learning_rate", 1e-9),
        ("batch_size", 60_000),
        ("profile", "full"),
        ("resume", True),
        ("out", "somewhere"),
    ],
)
def test_valid_values_are_accepted(name: str, value: Any) -> None:
    check_parameters({name: value}, PARAMETERS)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("seed", "1", r"parameter seed is '1' \(str\): valid is a whole number"),
        ("seed", 1.0, r"parameter seed is 1\.0 \(float\): valid is a whole number"),
        ("seed", True, r"parameter seed is True \(bool\): valid is a whole number"),
        ("seed", None, r"parameter seed is None \(NoneType\): valid is a whole number"),
        ("seed", -1, "parameter seed is -1: valid are whole numbers from 0 to 4294967295"),
        ("seed", 2**32, "parameter seed is 4294967296: valid are whole numbers from 0 to 4294967295"),
        pytest.param(
            "seed",
            10**5000,
            "parameter seed is a value that cannot be shown: valid are whole numbers from 0",
            id="5001 digits",
        ),
        ("epochs", 0, "parameter epochs is 0: valid are whole numbers from 1 to 999"),
        ("epochs", "5", "valid is a whole number or None"),
        ("learning_rate", "0.1", "valid is a number"),
        ("learning_rate", 0, "parameter learning_rate is 0: valid are finite numbers above 0"),
        ("learning_rate", -0.1, "valid are finite numbers above 0"),
        ("learning_rate", math.nan, "parameter learning_rate is nan: valid are finite numbers above 0"),
        ("learning_rate", math.inf, "parameter learning_rate is inf: valid are finite numbers above 0"),
        pytest.param("learning_rate", 10**400, "valid are finite numbers above 0", id="400 digits"),
        ("batch_size", 0, "parameter batch_size is 0: valid are whole numbers from 1 to 60000"),
        ("profile", "ful", "unknown profile 'ful': valid are auto, quick, full; did you mean 'full'"),
        ("profile", 1, "valid is a string"),
        ("resume", 1, "valid is true or false"),
        ("out", Path("x"), "valid is a string"),
        ("learning_rat", 0.1, "unknown parameter 'learning_rat': .*did you mean 'learning_rate'"),
    ],
)
def test_wrong_values_are_told_in_one_line(name: str, value: Any, message: str) -> None:
    with pytest.raises(LabError, match=message) as caught:
        check_parameters({name: value}, PARAMETERS)
    assert "\n" not in str(caught.value)


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.complex_numbers(),
    st.lists(st.integers()),
    st.dictionaries(st.text(), st.text()),
)


@given(st.sampled_from(list(PARAMETERS)) | st.text(), values)
def test_any_name_and_value_is_accepted_or_refused_in_one_line(name: str, value: Any) -> None:
    try:
        check_parameters({name: value}, PARAMETERS)
    except LabError as problem:
        assert str(problem).splitlines() == [str(problem)]
        assert len(str(problem)) < 300
    else:
        kinds = PARAMETERS[name].types
        assert type(value) in kinds or (type(value) is int and float in kinds)


@given(st.text(max_size=60))
def test_any_source_is_read_or_refused_in_one_line(tmp_path_factory: pytest.TempPathFactory, source: str) -> None:
    path = tmp_path_factory.mktemp("notebook") / "a.ipynb"
    try:
        write_notebook(path, source)
    except UnicodeEncodeError:
        return
    try:
        defaults = notebook_parameters(path)
    except LabError as problem:
        assert len(str(problem).splitlines()) == 1
    else:
        assert set(defaults) <= set(PARAMETERS)


CELLS = (
    "from labkit.lab.notebook import Lab",
    'seed: int = 1  # of the weights\nprofile: str = "quick"',
    "# Parameters\nseed = 7\n",
    "seeds = [seed, 1]\nepochs = seed",
    "lab = Lab('01_tiny')",
)


def in_a_notebook(monkeypatch: pytest.MonkeyPatch, *cells: str, **names: Any) -> None:
    """Pretend that these cells were executed, and left these names."""
    shell = SimpleNamespace(user_ns={"In": ["", *cells], **names})
    monkeypatch.setattr("labkit.lab.parameter_cells.get_ipython", lambda: shell)


def test_a_lab_reads_the_parameters_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    """As they are now: papermill, or a student, may have changed them. Other names that look alike are none."""
    in_a_notebook(monkeypatch, *CELLS, seed=7, profile="quick", seeds=[7, 1], epochs=7, digit="none")
    assert Lab("01_tiny").parameters == {"seed": 7, "profile": "quick"}
    in_a_notebook(monkeypatch, seed=7, profile="quick", lr=0.1)  # run by nbval, which keeps no history of the cells
    assert Lab("01_tiny").parameters == {"seed": 7, "profile": "quick"}


def test_a_lab_refuses_what_the_parameters_cell_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    for injected in ("epochs = 3", "epochs = float('nan')"):
        in_a_notebook(monkeypatch, CELLS[1], f"# Parameters\n{injected}\n", seed=1, profile="quick", epochs=3)
        with pytest.raises(LabError, match="unknown parameter 'epochs': valid are seed, profile"):
            Lab("01_tiny")
    in_a_notebook(monkeypatch, CELLS[1], seed="7", profile="quick")
    with pytest.raises(LabError, match=r"parameter seed is '7' \(str\)"):
        Lab("01_tiny")


@pytest.mark.parametrize(("gpu", "lines"), [(False, 2), (True, 1)])
def test_the_minutes_of_a_cpu_are_not_told_of_a_gpu(
    gpu: bool, lines: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(labkit.lab.notebook, "has_gpu", lambda: gpu)
    monkeypatch.setattr(labkit.lab.notebook, "device_name", lambda: "a device")
    Lab("05_pytorch_equivalents").say_where()
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "device: a device"
    assert len(printed) == lines
