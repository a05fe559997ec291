"""The registry of the ten runs, against the published report itself."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.base.errors import LabError
from labkit.base.paths import data_dir
from labkit.runs.registry import find_run, ten_runs

REPORT = json.loads((data_dir() / "published" / "report.json").read_text(encoding="utf-8"))
ENTRIES = {entry["id"]: entry for entry in REPORT["runs"]}


def test_the_parameter_counts_are_those_that_the_report_prints() -> None:
    printed = {run: (entry["params"], entry["trainable"]) for run, entry in ENTRIES.items() if "params" in entry}
    assert list(printed) == [run.id for run in ten_runs().values() if run.framework == "keras"]
    assert {run: (ten_runs()[run].params, ten_runs()[run].trainable_params) for run in printed} == printed


def test_correct_images_and_accuracy_agree() -> None:
    for run in ten_runs().values():
        assert run.published.correct / 10_000 == pytest.approx(run.published.accuracy, abs=5e-5), run.id


def test_the_recipes_are_those_of_the_report() -> None:
    for run in ten_runs().values():
        assert run.optimizer.learning_rate == 0.01
        assert run.optimizer.momentum == (0.5 if run.framework == "torch" else 0.0)
        assert (run.batch_size, run.seed) == (128, 1)


def test_no_two_runs_save_under_one_name() -> None:
    files = [run.model_file for run in ten_runs().values()]
    assert len(set(files)) == len(files)


def test_models_keep_their_published_names_but_for_the_one_that_was_overwritten() -> None:
    renamed = {run.id for run in ten_runs().values() if run.model_file != run.published.saved_as}
    assert renamed == {"keras-extra-conv-20"}
    for run in ten_runs().values():
        assert run.model_file.endswith(".keras" if run.framework == "keras" else ".pth")


def test_the_20_epoch_runs_have_a_5_epoch_run_of_the_same_recipe() -> None:
    def recipe(run_id: str) -> tuple[object, ...]:
        run = ten_runs()[run_id]
        return (run.framework, run.network, run.activation, run.optimizer, run.batch_size, run.seed)

    for name in ("keras-baseline", "keras-leaky-relu", "torch-baseline", "torch-leaky-relu"):
        assert recipe(f"{name}-5") == recipe(f"{name}-20")


@pytest.mark.parametrize(
    ("given_id", "nearest"),
    [
        ("keras-basline-5", "keras-baseline-5"),
        ("torch-deep-bn", "torch-deep-bn-20"),
        ("Torch-Baseline-5", "torch-baseline-5"),
        ("keras_leaky_relu_20", "keras-leaky-relu-20"),
    ],
)
def test_a_mistyped_id_gets_the_nearest_one(given_id: str, nearest: str) -> None:
    with pytest.raises(LabError) as caught:
        find_run(given_id)
    assert str(caught.value).endswith(f"did you mean '{nearest}'?")
    assert all(run_id in str(caught.value) for run_id in ENTRIES)


@given(st.text())
def test_any_other_text_is_refused_in_one_line(text: str) -> None:
    if text in ENTRIES:
        return
    with pytest.raises(LabError) as caught:
        find_run(text)
    assert str(caught.value).splitlines() == [str(caught.value)]
    assert len(str(caught.value)) < 500
