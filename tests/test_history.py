"""The history of a run: JSON and back, the table, damaged files."""

import errno
import json
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.base.errors import LabError
from labkit.base.files import write_text
from labkit.runs.history import BatchLoss, Epoch, Evaluation, History, Recipe

number = st.floats(0, 1e6)
histories = st.builds(
    History,
    st.lists(st.builds(Epoch, st.integers(1, 999), number, number, number, number, number), max_size=5),
    st.lists(st.builds(BatchLoss, st.integers(1, 999), st.integers(0, 60_000), number), max_size=5),
    recipe=st.builds(Recipe, number, number, st.integers(), st.integers(), st.integers(), st.integers(), st.text()),
)


@given(histories)
def test_json_gives_back_the_same_history(made: History) -> None:
    assert History.from_dict(json.loads(json.dumps(made.to_dict()))) == made


def test_the_table_has_a_row_an_epoch(history: History) -> None:
    table = history.table()
    assert table.index.tolist() == [1, 2, 3]
    assert table.index.name == "epoch"
    assert list(table.columns) == ["train_loss", "train_accuracy", "test_loss", "test_accuracy", "seconds"]
    assert table.loc[2, "train_loss"] == 0.75
    assert len(History(recipe=history.recipe).table()) == 0


def test_first_is_the_history_as_it_stood(history: History) -> None:
    part = history.first(2)
    assert len(part) == 2
    assert [e.epoch for e in part.epochs] == [1, 2]
    assert {b.epoch for b in part.batch_losses} == {1, 2}
    assert len(history) == 3
    assert history.first(99) == history


WHOLE = f'"recipe": {json.dumps(asdict(Recipe(0.01, 0.5, 128, 1, 1, 60_000, "0")))}}}'
DAMAGED = {
    "a number": "3",
    "a list": "[]",
    "nothing in it": "{}",
    "no batch losses": '{"epochs": []}',
    "epochs of text": '{"epochs": ["one"], "batch_losses": []}',
    "a field too few": '{"epochs": [], "batch_losses": [{"epoch": 1, "loss": 2.0}]}',
    "a field too many": '{"epochs": [], "batch_losses": [{"epoch": 1, "images_seen": 0, "loss": 2.0, "more": 1}]}',
    "a loss of text": '{"epochs": [], "batch_losses": [{"epoch": 1, "images_seen": 0, "loss": "2.0"}], ' + WHOLE,
    "a loss of nothing": '{"epochs": [], "batch_losses": [{"epoch": 1, "images_seen": 0, "loss": null}], ' + WHOLE,
    "no recipe": '{"epochs": [], "batch_losses": []}',
    "a recipe of two settings": '{"epochs": [], "batch_losses": [], "recipe": {"seed": 1, "momentum": 0.5}}',
}


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED.keys())
def test_what_is_no_history_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(LabError, match="not a history") as caught:
        History.from_dict(json.loads(text))
    assert "\n" not in str(caught.value)


def test_a_full_disk_keeps_the_earlier_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "note.json"
    write_text(path, "before")

    def no_space(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", no_space)
    with pytest.raises(LabError, match=r"note\.json: cannot be written: No space left on device"):
        write_text(path, "after")
    assert path.read_text(encoding="utf-8") == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["note.json"]


def test_an_evaluation_says_its_result_as_the_report_does() -> None:
    probabilities = np.zeros((10_000, 10), np.float32)
    probabilities[:, 7] = 1
    result = Evaluation(0.10617, 9653, 10_000, probabilities)
    assert str(result) == "Test set: Average loss: 0.1062, Accuracy: 9653/10000 (96.53%)"
    assert result.accuracy == 0.9653
    assert set(result.predictions.tolist()) == {7}
    assert result.predictions.shape == (10_000,)


def test_to_dict_holds_plain_values_only(history: History) -> None:
    content = json.loads(json.dumps(history.to_dict()))
    assert content["epochs"][0] == asdict(history.epochs[0])
    assert content["batch_losses"][0] == {"epoch": 1, "images_seen": 0, "loss": 2.0}
