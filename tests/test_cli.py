"""The command line: what it prints, and that every mistake is one line and exit code 2, with nothing trained."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from commands import assert_refused, call
from helpers import labkit_command, run_command
from hypothesis import given
from hypothesis import strategies as st

import labkit.data.mnist
import labkit.report.papermill_run
import labkit.runs.train_run
from labkit.base.errors import LabError
from labkit.cli import join_pairs, main
from labkit.runs.parameters import PARAMETERS
from labkit.runs.registry import ten_runs


@pytest.fixture
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """End every command where its real work would start."""

    def stop(*_: object, **__: object) -> Any:
        raise LabError("the work would start here")

    monkeypatch.setattr(labkit.runs.train_run, "load_mnist", stop)
    monkeypatch.setattr(labkit.data.mnist, "load_mnist", stop)
    monkeypatch.setattr(labkit.report.papermill_run, "run_report", stop)


# What works


def test_list_shows_the_ten_runs() -> None:
    answer = call("list")
    assert (answer.code, answer.err) == (0, "")
    lines = answer.out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(ten_runs())
    assert lines[1].split() == ["keras-baseline-5", "keras", "baseline", "relu", "5", "278,858", "97.35%"]
    assert lines[-1].split() == ["torch-deep-bn-20", "torch", "deep-bn", "leaky_relu", "20", "422,474", "99.26%"]


def test_no_command_shows_the_help() -> None:
    answer = call()
    assert answer.code == 2
    assert "Usage" in answer.out
    assert "report" in answer.out


def test_the_installed_command_lists_and_refuses() -> None:
    listed = run_command(labkit_command("list"))
    assert (listed.returncode, listed.stderr) == (0, "")
    assert listed.stdout.count("\n") == 11
    refused = run_command(labkit_command("train", "torch-basline-5"))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("labkit: unknown run 'torch-basline-5'")
    assert refused.stderr.count("\n") == 1


RESULT = re.compile(r"^Test set: Average loss: (\d+\.\d{4}), Accuracy: (\d+)/10000 \((\d+\.\d\d)%\)$", re.MULTILINE)


def test_train_then_test_give_the_same_result(tmp_path: Path) -> None:
    arguments = ("--epochs", "1", "--seed", "3", "--profile", "quick", "--out", str(tmp_path / "out"))
    trained = run_command(labkit_command("train", "torch-baseline-5", *arguments))
    assert (trained.returncode, trained.stderr) == (0, "")
    assert "1 epoch (quick), seed 3" in trained.stdout
    record = json.loads((tmp_path / "out" / "results" / "torch-baseline-5.json").read_text(encoding="utf-8"))
    assert (record["run"], record["epochs"], record["seed"]) == ("torch-baseline-5", 1, 3)
    assert len(record["history"]) == 1
    assert record["test"]["correct"] > 3_000  # far above chance, after a short epoch

    model = str(tmp_path / "out" / "models" / "mnist_cnn_epoch5.pth")
    tested = call("test", model)
    assert (tested.code, tested.err) == (0, "")
    for printed in (trained.stdout, tested.out):
        found = RESULT.search(printed)
        assert found is not None, printed
        loss, correct, percent = found.groups()
        assert loss == f"{record['test']['loss']:.4f}"
        assert int(correct) == record["test"]["correct"]
        assert percent == f"{100 * record['test']['accuracy']:.2f}"

    as_json = json.loads(call("test", model, "--json").out)
    assert as_json["loss"] == pytest.approx(record["test"]["loss"], rel=1e-5)
    assert (as_json["correct"], as_json["total"]) == (record["test"]["correct"], 10_000)


# What is refused


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("train torch-basline-5", "unknown run 'torch-basline-5': valid are keras-baseline-5, .*'torch-baseline-5'"),
        ("train torch-baseline-5 --profile ful", "unknown profile 'ful': valid are auto, quick, full; .*'full'"),
        ("train torch-baseline-5 --epochs 0", "--epochs is '0': valid are whole numbers from 1 to 999"),
        ("train torch-baseline-5 --epochs five", "--epochs is 'five': valid are whole numbers from 1 to 999"),
        ("train torch-baseline-5 --epochs 1.5", "--epochs is '1.5': valid are whole numbers from 1 to 999"),
        ("train torch-baseline-5 --seed -1", "--seed is '-1': valid are whole numbers from 0 to 4294967295"),
        ("train keras-baseline-5 --seed 4294967296", "--seed is '4294967296': valid are whole numbers from 0"),
        ("train torch-baseline-5 --sed 1", "No such option: --sed"),
        ("train torch-baseline-5 more", "unexpected extra argument"),
        ("train torch-baseline-5 --epochs", "requires an argument"),
        ("train", "Missing argument"),
        ("trian torch-baseline-5", "No such command 'trian'"),
        ("report 01_keras_basline", "unknown notebook '01_keras_basline': valid are .*'01_keras_baseline'"),
        ("report --profile quik", "unknown profile 'quik': valid are auto, quick, full; .*'quick'"),
        ("report -p profile quik", "unknown profile 'quik'"),
        ("report -p sed 3", "unknown parameter 'sed': valid are .*did you mean 'seed'"),
        ("report -p sed=3", "unknown parameter 'sed'"),
        ("report -p out elsewhere", "unknown parameter 'out'"),
        ("report -p seed", "parameter 'seed' has no value: valid is -p NAME VALUE"),
        ("report -p seed --profile quick", "parameter 'seed' has no value: valid is -p NAME VALUE"),
        ("report -p", "requires an argument"),
        ("report -p seed one", r"parameter seed is 'one' \(str\): valid is a whole number"),
        ("report -p seed 1.5", r"parameter seed is '1.5' \(str\): valid is a whole number"),
        ("report -p seed true", r"parameter seed is 'true' \(str\): valid is a whole number"),
        ("report -p seed -1", "parameter seed is -1: valid are whole numbers from 0"),
        ("report -p epochs 0", "parameter epochs is 0: valid are whole numbers from 1 to 999"),
        ("report -p epochs all", r"parameter epochs is 'all' \(str\): valid is a whole number or None"),
        ("report -p learning_rate nan", "parameter learning_rate is nan: valid are finite numbers above 0"),
        ("report -p learning_rate inf", "parameter learning_rate is inf: valid are finite numbers above 0"),
        ("report -p resume maybe", r"parameter resume is 'maybe' \(str\): valid is true or false"),
        ("report --time-limit 0", "--time-limit is '0': valid are whole numbers from 1 up"),
        ("verify reports --time-limit 1h", "--time-limit is '1h': valid are whole numbers from 1 up"),
        ("sweep torch-baseline-5 --workers -1", "--workers is '-1': valid are whole numbers from 0 up"),
        ("sweep torch-baseline-5 --train-images 60001", "'60001': valid are whole numbers from 1 to 60000"),
        ("bench --batches 470", "--batches is '470': valid are whole numbers from 1 to 469"),
        ("test nowhere.keras", "nowhere.keras: no such model file"),
        ("test .", "a folder; a model is one file"),
        ("test a.**", "no such model file"),
        ("test " + "a" * 300, "File name too long"),
        ("test", "Missing argument"),
        ("list all", "unexpected extra argument"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_made(line: str, message: str, nothing_runs: None, tmp_path: Path) -> None:
    answer = call(*line.split(" "))
    assert_refused(answer)
    assert re.search(message, answer.err), answer.err
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_profile_in_the_environment_is_refused(nothing_runs: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABKIT_PROFILE", "quik")
    for line in (["train", "torch-baseline-5"], ["report"]):
        answer = call(*line)
        assert_refused(answer)
        assert "unknown profile in LABKIT_PROFILE 'quik'" in answer.err


def test_an_output_folder_that_cannot_be_made_is_told_before_training(nothing_runs: None, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    answer = call("train", "torch-baseline-5", "--profile", "quick", "--out", str(tmp_path / "file"))
    assert_refused(answer)
    assert "the folder cannot be written" in answer.err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("report 01_keras_baseline", "a report needs papermill: pip install 'labkit[report]'"),
        ("verify reports", "a report needs papermill: pip install 'labkit[report]'"),
        (
            "sweep torch-baseline-5",
            "a sweep needs Dask: pip install 'labkit[cluster]', or --workers 0 to do without",
        ),
    ],
)
def test_a_command_without_its_extra_says_how_to_get_it(
    line: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for absent in ("papermill", "distributed"):
        monkeypatch.setitem(sys.modules, absent, None)  # as Python notes what is not there
    for imported in ("labkit.report.papermill_run", "labkit.report.verify"):
        monkeypatch.delitem(sys.modules, imported, raising=False)
    answer = call(*line.split())
    assert (answer.code, answer.err) == (2, f"labkit: {message}\n")


def test_a_path_with_a_line_break_is_still_told_in_one_line() -> None:
    assert_refused(call("test", "two\nlines.keras"))


@pytest.mark.parametrize("content", [b"", b"plain text", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"])
@pytest.mark.parametrize("name", ["model.keras", "model.pth"])
def test_a_file_that_is_no_model_is_refused(content: bytes, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    answer = call("test", name)
    assert_refused(answer)
    assert name in answer.err


def test_a_fault_of_labkit_itself_is_not_dressed_up_as_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(labkit.runs.train_run, "train_run", fault)
    with pytest.raises(ZeroDivisionError):
        main(["train", "torch-baseline-5"])


# Parameters of the report


def test_parameters_reach_the_report_with_their_types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given_parameters = {}

    def note(
        _notebooks: object, _out: object, _profile: object, given: dict[str, Any], *_: object, **__: object
    ) -> list[object]:
        given_parameters.update(given)
        return []

    monkeypatch.setattr(labkit.report.papermill_run, "run_report", note)
    pairs = "-p seed 3 -p learning_rate 1 --parameter epochs none -p resume true -p dataset fashion"
    assert call("report", "01_keras_baseline", "--profile", "quick", *pairs.split()).code == 0
    dataset = str((tmp_path / "fashion").resolve())  # the notebooks run in another folder
    expected = {"seed": 3, "learning_rate": 1.0, "epochs": None, "resume": True, "dataset": dataset}
    assert given_parameters == expected
    assert type(given_parameters["learning_rate"]) is float


def test_pairs_are_joined() -> None:
    assert join_pairs(["report", "-p", "seed", "3", "01"]) == ["report", "-p", "seed=3", "01"]
    assert join_pairs(["--parameter", "a=1", "b"]) == ["--parameter", "a=1", "b"]
    assert join_pairs(["-p", "a", "-1"]) == ["-p", "a=-1"]
    assert join_pairs(["-p", "a", "b=c"]) == ["-p", "a=b=c"]
    assert join_pairs(["-p", "a", "--out", "x"]) == ["-p", "a", "--out", "x"]
    assert join_pairs(["-p"]) == ["-p"]
    assert join_pairs([]) == []


def test_options_and_parameters_of_the_same_name_take_the_same_numbers() -> None:
    for name in ("epochs", "seed"):
        parameter = PARAMETERS[name]
        lowest, highest = int(parameter.lowest or 0), int(parameter.highest)
        answer = call("train", "torch-baseline-5", f"--{name}", "none")
        assert f"valid are whole numbers from {lowest} to {highest}\n" in answer.err


# Anything at all. Words without a slash or a leading dot: `--out` makes folders, and they must stay in the test's own.
words = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), max_size=20).filter(
    lambda text: not text.lstrip("-=poute ").startswith(".")
)
options = st.sampled_from(
    [
        *("--epochs", "--seed", "--profile", "--out", "--resume", "--json", "--time-limit", "-p", "--parameter"),
        *("seed", "epochs", "learning_rate", "profile", "quick", "full", "auto", "1", "-1", "0", "nan", "1e400", "--"),
        *("torch-baseline-5", "keras-baseline-20", "01_keras_baseline", "=", "seed=", "seed=2", "-pseed", "9" * 5000),
    ]
)


@given(st.sampled_from(["train", "report", "test"]), st.lists(options | words, max_size=6))
@pytest.mark.usefixtures("nothing_runs")
def test_no_command_line_ends_in_a_traceback(command: str, arguments: list[str]) -> None:
    answer = call(command, *arguments)
    if "--help" in arguments and answer.code == 0:
        return
    assert_refused(answer)
