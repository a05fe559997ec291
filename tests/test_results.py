"""Records of runs: stored, gathered, compared with what was published."""

import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import nbformat
import numpy as np
import pytest
from helpers import small_idx_files, write_idx_folder

from labkit.base.errors import LabError
from labkit.base.paths import notebooks_dir, reference_dir
from labkit.data.mnist import ImageSet
from labkit.lab.notebook import Lab
from labkit.report.papermill_run import run_report
from labkit.runs import plans as profiles
from labkit.runs import records as results
from labkit.runs.computer import environment
from labkit.runs.history import Evaluation, History, Recipe, Score
from labkit.runs.records import Record, load_probabilities, load_records, make_record, save_record
from labkit.runs.registry import find_run, ten_runs
from labkit.runs.train_run import train_run
from labkit.stats.results_table import format_table, results_table

PROBABILITIES = np.random.default_rng(0).dirichlet(np.ones(10), 10_000).astype(np.float32)


@pytest.fixture
def record(history: History) -> Record:
    test = Evaluation(0.0849, 9735, 10_000, PROBABILITIES)
    return made_record("keras-baseline-5", history, test)


def made_record(run_id: str, history: History, test: Evaluation) -> Record:
    history.recipe = Recipe(0.01, 0.0, 128, 1, 3, 6_000, "1" * 64)
    return Record(run_id, "quick", history, 278_858, 277_834, test.score, "0" * 64, "a CPU", 2, {"numpy": "2.4.6"})


@pytest.fixture(autouse=True)
def no_reference(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep the shipped reference run out of the way."""
    folder = tmp_path_factory.mktemp("reference")
    (folder / "results.json").write_text('{"runs": []}', encoding="utf-8")
    monkeypatch.setattr(results, "reference_dir", lambda: folder)
    return folder


def test_a_record_holds_what_was_run_and_what_came_out(record: Record, history: History) -> None:
    expected = {
        "run": "keras-baseline-5",
        "profile": "quick",
        "seed": 1,
        "epochs": 3,
        "planned_epochs": 3,
        "train_images": 6_000,
        "learning_rate": 0.01,
        "momentum": 0.0,
        "batch_size": 128,
        "params": 278_858,
        "trainable_params": 277_834,
        "test": {"loss": 0.0849, "accuracy": 0.9735, "correct": 9735, "total": 10_000},
        "seconds": 7.5,
        "weights_sha256": "0" * 64,
        "device": "a CPU",
        "threads": 2,
        "dataset": "mnist",
    }
    content = record.to_dict()
    assert {key: content[key] for key in expected} == expected
    assert content["history"] == history.to_dict()["epochs"]
    assert str(record) == "6,000 images, 3 epochs (quick)"


def test_an_interrupted_run_says_so(record: Record) -> None:
    cut = replace(record, history=record.history.first(2))
    assert cut.interrupted
    assert not record.interrupted
    assert str(cut) == "6,000 images, 2 epochs (quick), interrupted: 3 were planned"


@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_a_record_holds_the_settings_that_fit_had(framework: str, small: ImageSet) -> None:
    used = import_module(f"labkit.{framework}")
    network = used.build("lenet-dropout" if framework == "torch" else "extra-conv", "relu", 5)
    history = used.fit(network, small, epochs=1, learning_rate=0.02, momentum=0.75, batch_size=100, seed=5)
    record, test = make_record("mine", network, history, small, "quick", notebook="01_tiny")
    content = record.to_dict()
    expected = {"learning_rate": 0.02, "momentum": 0.75, "batch_size": 100, "seed": 5, "epochs": 1, "train_images": 512}
    expected |= {"threads": used.threads(), "weights_sha256": used.weights_sha256(network)}
    assert {key: content[key] for key in expected} == expected
    assert (record.params, record.trainable_params) == used.count_params(network)
    assert record.test.accuracy == test.accuracy == history.epochs[-1].test_accuracy
    assert Record.from_dict(json.loads(json.dumps(content))) == record


def test_the_committed_records_are_whole_and_tell_the_momentum_of_each_framework() -> None:
    content = json.loads((reference_dir() / "results.json").read_text(encoding="utf-8"))["runs"]
    assert [Record.from_dict(entry).to_dict() for entry in content] == content
    momenta = {(entry["run"].partition("-")[0], entry["momentum"]) for entry in content}
    assert momenta == {("keras", 0.0), ("torch", 0.5)}


def test_a_record_comes_back_as_it_was_stored(record: Record, tmp_path: Path) -> None:
    save_record(record, tmp_path, PROBABILITIES)
    assert load_records(tmp_path) == {"keras-baseline-5": record}
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.*")) == [
        "predictions/keras-baseline-5.npz",
        "results/keras-baseline-5.json",
    ]


def test_probabilities_come_back_close_enough_to_predict_the_same(record: Record, tmp_path: Path) -> None:
    save_record(record, tmp_path, PROBABILITIES)
    loaded = load_probabilities(tmp_path, "keras-baseline-5")
    assert loaded is not None
    assert loaded.dtype == np.float32
    assert np.allclose(loaded, PROBABILITIES, atol=5e-4)
    assert load_probabilities(tmp_path, "keras-baseline-20") is None


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut"])
def test_damaged_probabilities_are_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "predictions").mkdir()
    (tmp_path / "predictions" / "keras-baseline-5.npz").write_bytes(content)
    with pytest.raises(LabError, match=r"keras-baseline-5\.npz: damaged"):
        load_probabilities(tmp_path, "keras-baseline-5")


@pytest.mark.parametrize("content", ["", "{", "[]", "3", "{}", '{"run": "keras-baseline-5"}', "null", '"run"'])
def test_a_damaged_record_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "keras-baseline-5.json").write_text(content, encoding="utf-8")
    with pytest.raises(LabError, match=r"keras-baseline-5\.json: not ") as caught:
        load_records(tmp_path)
    assert "\n" not in str(caught.value)


def test_records_come_in_the_order_of_the_report_and_then_the_others(history: History, tmp_path: Path) -> None:
    test = Evaluation(0.1, 9_000, 10_000, PROBABILITIES)
    for run_id in ("wider", "torch-deep-bn-20", "keras-baseline-5", "deeper"):
        save_record(made_record(run_id, history, test), tmp_path)
    assert list(load_records(tmp_path)) == ["keras-baseline-5", "torch-deep-bn-20", "deeper", "wider"]
    assert load_records(tmp_path / "nowhere") == {}


def test_the_table_compares_and_says_that_a_quick_run_was_one(record: Record) -> None:
    table = results_table({"keras-baseline-5": record})
    assert list(table.index) == list(ten_runs())
    row = table.loc["keras-baseline-5"]
    assert row["published accuracy (%)"] == pytest.approx(97.35)
    assert row["this run accuracy (%)"] == pytest.approx(97.35)
    assert row["this run was"] == "6,000 images, 3 epochs (quick)"
    assert table.loc["torch-deep-bn-20", "this run was"] == "not run"
    assert table["this run accuracy (%)"].isna()["torch-deep-bn-20"]


def test_the_table_as_texts(record: Record) -> None:
    texts = format_table(results_table({"keras-baseline-5": record}, ["keras-baseline-5", "torch-baseline-5", "mine"]))
    assert list(texts.loc["keras-baseline-5"]) == [
        "97.35",
        "0.0849",
        "–",
        "–",
        "97.35",
        "0.0849",
        "6,000 images, 3 epochs (quick)",
    ]
    assert list(texts.loc["torch-baseline-5"]) == ["96.53", "0.1062", "–", "–", "–", "–", "not run"]
    assert list(texts.loc["mine"]) == ["–"] * 6 + ["not run"]


def test_the_reference_run_fills_its_columns(record: Record, no_reference: Path) -> None:
    reference = {"runs": [replace(record, test=Score(2.0, 5_000, 10_000)).to_dict()]}
    (no_reference / "results.json").write_text(json.dumps(reference), encoding="utf-8")
    row = format_table(results_table({}, ["keras-baseline-5"])).loc["keras-baseline-5"]
    assert (row["reference accuracy (%)"], row["reference loss"]) == ("50.00", "2.0000")


def test_the_environment_names_what_a_result_depends_on() -> None:
    found = environment()
    assert {"python", "labkit", "torch", "tensorflow", "keras", "numpy"} <= set(found)
    assert all(text[0].isdigit() for text in found.values())


@pytest.mark.slow
def test_what_is_changed_in_the_fit_cell_of_a_notebook_stands_in_results_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "01_keras_baseline"
    notebook = nbformat.read(notebooks_dir() / f"{name}.ipynb", as_version=4)
    recorded = next(i for i, cell in enumerate(notebook.cells) if "lab.record(" in cell.source)
    notebook.cells = notebook.cells[: recorded + 1]
    (fitting,) = [cell for cell in notebook.cells if "history = fit(" in cell.source]
    changed = fitting.source.replace("learning_rate=learning_rate", "learning_rate=0.03, momentum=0.25")
    fitting.source = changed.replace("batch_size=batch_size", "batch_size=100")
    nbformat.write(notebook, tmp_path / f"{name}.ipynb")
    clothes = write_idx_folder(tmp_path / "clothes", small_idx_files(300, 100))
    out = tmp_path / "report"
    (outcome,) = run_report({name: tmp_path / f"{name}.ipynb"}, out, "quick", {"dataset": str(clothes), "epochs": 1})
    assert outcome.problem == ""
    (run,) = json.loads((out / "results.json").read_text(encoding="utf-8"))["runs"]
    assert (run["learning_rate"], run["momentum"], run["batch_size"]) == (0.03, 0.25, 100)
    assert (run["train_images"], run["epochs"], run["dataset"]) == (300, 1, "clothes")


def test_a_notebook_takes_the_record_of_labkit_train_that_has_its_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profiles, "QUICK_TRAIN_IMAGES", 500)
    trained = train_run(find_run("torch-baseline-5"), profile="quick", epochs=1, out=tmp_path / "lab_output")
    given = {"profile": "quick", "epochs": 1, "seed": 1, "learning_rate": 0.01, "batch_size": 128}
    lab = Lab("05_pytorch_equivalents", **given)
    assert lab.own_record("torch-baseline-5", lab.plan(5)) == trained
    for other in ({"seed": 2}, {"learning_rate": 0.02}, {"batch_size": 64}, {"epochs": 2}):
        lab = Lab("05_pytorch_equivalents", **given | other)
        assert lab.own_record("torch-baseline-5", lab.plan(5)) is None
