"""The same seed gives bitwise the same weights, and `labkit verify` tells when it does not."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_notebooks import write_notebook
from training_child import CHILD, run_cli, small_data

import labkit.keras
import labkit.torch
from labkit.base.errors import LabError
from labkit.keras import threads
from labkit.keras import training as keras_training
from labkit.report.verify import compare
from labkit.runs.history import History, Recipe, Score
from labkit.runs.records import Record
from labkit.runs.registry import Optimizer, ten_runs
from labkit.torch import training as torch_training

RECIPES = sorted({(run.framework, run.network, run.activation, run.optimizer) for run in ten_runs().values()}, key=str)


def train_recipe(framework: str, network: str, activation: str, optimizer: Optimizer, seed: int) -> str:
    """Train one network of the report on 256 images for two epochs, and return the hash of its weights."""
    settings: dict[str, Any] = {
        "epochs": 2,
        "learning_rate": optimizer.learning_rate,
        "momentum": optimizer.momentum,
        "batch_size": 32,
        "seed": seed,
    }
    data = small_data(256, 100)
    if framework == "torch":
        from labkit.torch import networks as torch_networks

        torch_network = torch_networks.build(network, activation, seed)
        torch_training.fit(torch_network, data, **settings)
        return labkit.torch.weights_sha256(torch_network)
    from labkit.keras import networks as keras_networks

    keras_network = keras_networks.build(network, activation, seed)
    keras_training.fit(keras_network, data, **settings)
    return labkit.keras.weights_sha256(keras_network)


def test_recipes_are_those_of_the_ten_runs() -> None:
    assert len(RECIPES) == 6
    assert len(ten_runs()) == 10


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: "-".join(recipe[:3]))
def test_same_seed_same_weights(recipe: tuple[str, str, str, Optimizer]) -> None:
    first = train_recipe(*recipe, seed=1)
    assert train_recipe(*recipe, seed=1) == first
    assert train_recipe(*recipe, seed=2) != first


@pytest.mark.slow
@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_same_weights_in_two_processes(framework: str, tmp_path: Path) -> None:
    command = [sys.executable, str(CHILD), framework]
    answers = [
        subprocess.run([*command, str(tmp_path / part)], capture_output=True, text=True, check=True).stdout
        for part in ("a", "b")
    ]
    assert answers[0] == answers[1]
    assert len(json.loads(answers[0])["weights_sha256"]) == 64


def test_threads_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "3")
    assert threads() == 3
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "many")
    assert threads() >= 1


# What a notebook of the series leaves behind, without a framework and in a second.
BENCH = """
import hashlib, os
from labkit.runs.history import Epoch, History, Recipe, Score
from labkit.lab.notebook import Lab
from labkit.runs.records import Record, save_record

lab = Lab({name!r})
history = History([Epoch(1, 0.5, 0.9, 0.5, 0.9, 1.0)], recipe=Recipe(0.01, 0.0, 128, lab.parameters["seed"], 1, 10, ""))
weights = hashlib.sha256({weights}).hexdigest()
save_record(Record({name!r}, "quick", history, 1, 1, Score(0.5, 9, 10), weights, "a CPU", 2, {{}}), lab.out)
"""


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folders of two made notebooks, one of which never gives the same twice, and of their report."""
    folder = tmp_path_factory.mktemp("verify")
    books, out = folder / "notebooks", folder / "out"
    write_notebook(books, "01_steady", BENCH.format(name="01_steady", weights="str(seed).encode()"))
    write_notebook(books, "02_random", BENCH.format(name="02_random", weights="os.urandom(8)"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("labkit.report.series.notebooks_dir", lambda: books)
        assert run_cli("report", "--profile", "quick", "--out", str(out), "-p", "seed", "3") == 0
    return books, out


def test_verify(
    reported: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    books, out = reported
    monkeypatch.setattr("labkit.report.series.notebooks_dir", lambda: books)
    path = out / "results.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    assert run_cli("verify", str(out)) == 1
    assert capsys.readouterr().out.splitlines() == [
        "verify: 2 notebooks again, profile quick",
        "01_steady                    bitwise the same",
        "02_random                    other weights: test accuracy +0.00 percentage points, test loss +0.0000",
        "1 of 2 runs are bitwise the same",
    ]

    changed = json.loads(json.dumps(content))
    changed["versions"]["numpy"] = "1.0"
    changed["device"] = "another computer"
    for part in ("notebooks", "runs"):
        del changed[part][1]
    changed["runs"][0]["threads"] = 64
    assert changed.pop("workers") == 2  # reports of the first edition lack it
    path.write_text(json.dumps(changed), encoding="utf-8")
    try:
        assert run_cli("verify", str(out)) == 0
    finally:
        path.write_text(json.dumps(content), encoding="utf-8")
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("differs: device was another computer, is ")
    assert lines[2].startswith("differs: numpy was 1.0, is ")
    assert lines[3] == "differs: threads of 01_steady were 64, are 2"
    assert lines[4:] == ["01_steady                    bitwise the same", "1 of 1 runs are bitwise the same"]


def test_verify_runs_as_many_notebooks_at_a_time_as_the_report_did(
    reported: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    books, out = reported
    content = json.loads((out / "results.json").read_text(encoding="utf-8")) | {"workers": 1}
    (tmp_path / "results.json").write_text(json.dumps(content), encoding="utf-8")
    given: dict[str, Any] = {}

    def note(*_: object, **settings: Any) -> list[object]:
        given.update(settings)
        return []

    monkeypatch.setattr("labkit.report.series.notebooks_dir", lambda: books)
    monkeypatch.setattr("labkit.report.verify.run_report", note)
    assert run_cli("verify", str(tmp_path)) == 1
    assert given["workers"] == 1


def test_verify_of_what_is_no_report(
    reported: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = json.loads((reported[1] / "results.json").read_text(encoding="utf-8"))
    path = tmp_path / "results.json"
    assert run_cli("verify", str(tmp_path)) == 2
    assert "no readable results of a report" in capsys.readouterr().err
    changed: Any
    for changed in (
        [],
        None,
        {},
        content | {"runs": []},
        content | {"runs": [{}]},
        content | {"runs": [3]},
        content | {"notebooks": [{"notebook": "99_unknown"}]},
        content | {"notebooks": 3},
        content | {"parameters": {"sed": 3}},
        content | {"parameters": {"seed": "3"}},
        content | {"profile": "ful", "notebooks": [{"notebook": "01_keras_baseline"}]},
    ):
        path.write_text(json.dumps(changed), encoding="utf-8")
        assert run_cli("verify", str(tmp_path)) == 2
        _, err = capsys.readouterr()
        assert err.startswith("labkit: ")
        assert err.count("\n") == 1
    path.write_text("{", encoding="utf-8")
    assert run_cli("verify", str(tmp_path)) == 2


def test_comparison() -> None:
    before = Record(
        "a",
        "full",
        History(recipe=Recipe(0.01, 0.5, 128, 1, 0, 1, "")),
        1,
        1,
        Score(0.06, 9_800, 10_000),
        "1",
        "a CPU",
        2,
        {},
    )
    assert compare(before, None).finding == "no result this time"
    assert compare(before, before).same
    found = compare(before, replace(before, weights_sha256="2", test=Score(0.0588, 9_812, 10_000)))
    assert not found.same
    assert found.finding == "other weights: test accuracy +0.12 percentage points, test loss -0.0012"


@pytest.mark.slow
def test_verify_of_a_real_notebook(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["report", "01_keras_baseline", "--profile", "quick", "-p", "epochs", "1", "--out", str(tmp_path)]
    assert run_cli(*command) == 0
    capsys.readouterr()
    assert run_cli("verify", str(tmp_path)) == 0
    assert capsys.readouterr().out.endswith("1 of 1 runs are bitwise the same\n")


def test_damaged_report_is_a_lab_error(tmp_path: Path) -> None:
    from labkit.report.verify import read_results

    (tmp_path / "results.json").write_bytes(b"\xff\xfe")
    with pytest.raises(LabError, match="not the results of a report"):
        read_results(tmp_path)
