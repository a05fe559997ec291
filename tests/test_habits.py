"""What one expects of any command: help that names everything, the Tab key, --quiet, --json."""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from commands import assert_refused, call
from helpers import labkit_command, run_command
from tiny_notebooks import write_notebook
from typer.main import get_command

import labkit.report.papermill_run
import labkit.report.series
from labkit.base.paths import reference_dir
from labkit.cli import app, main
from labkit.runs.records import load_records
from labkit.runs.registry import ten_runs

LABKIT: Any = get_command(app)  # its type lies in another package from release to release of Typer
COMMANDS: dict[str, Any] = LABKIT.commands


# Help


def test_help_names_every_command_and_the_tab_key() -> None:
    answer = call("--help")
    assert (answer.code, answer.err) == (0, "")
    assert list(COMMANDS) == ["list", "train", "test", "predict", "export", "report", "sweep", "bench", "verify"]
    for name in (*COMMANDS, "--install-completion"):
        assert name in answer.out


@pytest.mark.parametrize("name", COMMANDS)
def test_help_names_and_explains_everything_that_a_command_takes(name: str) -> None:
    answer = call(name, "--help")
    assert (answer.code, answer.err) == (0, "")
    assert "Usage" in answer.out
    for parameter in COMMANDS[name].params:
        shown = parameter.opts if parameter.param_type_name == "option" else [parameter.metavar]
        for word in shown:
            assert word in answer.out, word
        if parameter.name != "help":
            assert parameter.help[0].isupper(), parameter.name
            assert parameter.help.endswith("."), parameter.name


# The Tab key, as bash asks for it

PRESS_TAB = """
eval "$(labkit --show-completion)"
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
_labkit_completion labkit
printf '%s\\n' "${COMPREPLY[@]}"
"""
INSTALL_AND_PRESS_TAB = "labkit --install-completion >/dev/null && . ~/.bashrc" + PRESS_TAB.replace(
    'eval "$(labkit --show-completion)"', ""
)
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")


@needs_bash
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("labkit tr", "train"),
        ("labkit train torch-l", "torch-leaky-relu-5 torch-leaky-relu-20"),
        ("labkit train torch-baseline-5 --profile q", "quick"),
        ("labkit train torch-baseline-5 --res", "--resume"),
        ("labkit report 01_keras_baseline 0", " ".join(labkit.report.series.series())),
        ("labkit report 07", "07_summary"),
        ("labkit sweep keras-baseline-5 keras-e", "keras-extra-conv-20"),
    ],
)
def test_tab_completes(line: str, offered: str) -> None:
    done = run_command(["bash", "-c", PRESS_TAB, "bash", *line.split()], PATH=PATH)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == offered.split()


@needs_bash
def test_tab_completes_once_it_is_installed(tmp_path: Path) -> None:
    words = ["labkit", "train", "keras-b"]
    done = run_command(["bash", "-c", INSTALL_AND_PRESS_TAB, "bash", *words], PATH=PATH, HOME=str(tmp_path))
    assert done.stdout.split() == ["keras-baseline-5", "keras-baseline-20"], done.stderr


# --quiet


@pytest.mark.slow
def test_quiet_training_prints_nothing_and_saves_as_ever(tmp_path: Path) -> None:
    arguments = ("--epochs", "1", "--profile", "quick", "--out", str(tmp_path / "out"), "--quiet")
    done = run_command(labkit_command("train", "torch-baseline-5", *arguments))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(load_records(tmp_path / "out")) == ["torch-baseline-5"]


def test_quiet_is_silent_about_everything_but_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    books = tmp_path / "notebooks"
    write_notebook(books, "01_fine", "print('all is well')")
    monkeypatch.setattr(labkit.report.series, "notebooks_dir", lambda: books)
    arguments = ["report", "--profile", "quick", "--out", str(tmp_path / "out"), "--quiet"]
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert (stopped.value.code, *capfd.readouterr()) == (0, "", "")
    assert (tmp_path / "out" / "index.html").exists()

    write_notebook(books, "02_raises", "raise ValueError('all wrong')")
    with pytest.raises(SystemExit) as stopped:
        main([*arguments, "--resume"])
    problem = "labkit: 02_raises failed: code cell 2: ValueError: all wrong\n"
    assert (stopped.value.code, *capfd.readouterr()) == (1, "", problem)

    assert_refused(call("report", "03_not_there", "--quiet"))
    assert_refused(call("train", "torch-baseline-6", "--quiet"))


# --json. Of `predict` and `bench` in test_digits.py and test_bench.py.


def test_list_as_json() -> None:
    answer = call("list", "--json")
    assert (answer.code, answer.err) == (0, "")
    assert [run["id"] for run in json.loads(answer.out)] == list(ten_runs())


@pytest.mark.slow
def test_a_keras_model_tested_as_json() -> None:
    model = reference_dir() / "models" / ten_runs()["keras-baseline-5"].model_file
    done = run_command(labkit_command("test", str(model), "--json"))
    assert (done.returncode, done.stderr) == (0, "")
    assert set(json.loads(done.stdout)) == {"loss", "correct", "total"}


def test_report_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    write_notebook(tmp_path / "notebooks", "01_fine", "print('all is well')")
    monkeypatch.setattr(labkit.report.series, "notebooks_dir", lambda: tmp_path / "notebooks")
    with pytest.raises(SystemExit):
        main(["report", "--profile", "quick", "--out", str(tmp_path / "out"), "--json"])
    printed, errors = capfd.readouterr()
    content = json.loads(printed)
    assert errors == ""
    assert (content["report"], content["profile"]) == (str(tmp_path / "out" / "index.html"), "quick")
    assert [(book["notebook"], book["status"]) for book in content["notebooks"]] == [("01_fine", "done")]


@pytest.mark.slow
def test_train_prints_its_record_as_json(tmp_path: Path) -> None:
    done = run_command(labkit_command("train", "torch-baseline-5", "--epochs", "1", "--profile", "quick", "--json"))
    assert (done.returncode, done.stderr) == (0, "")
    record = load_records(tmp_path)["torch-baseline-5"]
    printed = json.loads(done.stdout)
    assert Path(printed.pop("model")).exists()
    assert printed == {k: v for k, v in record.to_dict().items() if k not in ("history", "batch_losses")}
