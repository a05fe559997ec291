"""Records of runs: stored, gathered, compared with what was published."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labkit import results
from labkit.errors import LabError
from labkit.history import Evaluation, History
from labkit.profiles import Plan
from labkit.results import (
    Record,
    environment,
    format_table,
    history_of,
    load_probabilities,
    load_records,
    make_record,
    results_table,
    save_record,
)
from labkit.runs import runs

PROBABILITIES = np.random.default_rng(0).dirichlet(np.ones(10), 10_000).astype(np.float32)


@pytest.fixture
def record(history: History) -> Record:
    test = Evaluation(0.0849, 9735, 10_000, PROBABILITIES)
    return made_record("keras-baseline-5", history, test)


def made_record(run_id: str, history: History, test: Evaluation) -> Record:
    return make_record(run_id, Plan("quick", 6_000, 3), 1, (278_858, 277_834), test, history, "0" * 64, device="a CPU")


@pytest.fixture(autouse=True)
def no_reference(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Keep the shipped reference run out of the way."""
    monkeypatch.setattr(results, "reference_dir", lambda: tmp_path / "reference")
    return tmp_path / "reference"


def test_a_record_holds_what_was_run_and_what_came_out(record: Record, history: History) -> None:
    expected = {
        "run": "keras-baseline-5",
        "profile": "quick",
        "seed": 1,
        "epochs": 3,
        "train_images": 6_000,
        "params": 278_858,
        "trainable_params": 277_834,
        "test": {"loss": 0.0849, "accuracy": 0.9735, "correct": 9735, "total": 10_000},
        "seconds": 7.5,
        "weights_sha256": "0" * 64,
        "device": "a CPU",
    }
    assert {key: record[key] for key in expected} == expected
    assert history_of(record) == history
    assert set(results.RECORD_KEYS) <= set(record)


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
    assert list(table.index) == list(runs())
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
    reference: dict[str, Any] = {"runs": [record | {"test": record["test"] | {"accuracy": 0.5, "loss": 2.0}}]}
    no_reference.mkdir()
    (no_reference / "results.json").write_text(json.dumps(reference), encoding="utf-8")
    row = format_table(results_table({}, ["keras-baseline-5"])).loc["keras-baseline-5"]
    assert (row["reference accuracy (%)"], row["reference loss"]) == ("50.00", "2.0000")


def test_the_environment_names_what_a_result_depends_on() -> None:
    found = environment()
    assert {"python", "labkit", "torch", "tensorflow", "keras", "numpy"} <= set(found)
    assert all(text[0].isdigit() for text in found.values())
