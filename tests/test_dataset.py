"""Another data set in one line."""

from pathlib import Path

import pytest
from helpers import idx_bytes, small_idx_files, write_idx_folder
from torch import nn

import labkit
from labkit.base.errors import LabError
from labkit.lab.notebook import Lab
from labkit.report.papermill_run import run_report
from labkit.report.series import series
from labkit.runs.parameters import PARAMETERS, notebook_parameters
from labkit.runs.records import load_records
from labkit.stats.summary import collect
from labkit.torch.training import fit


def test_a_folder_is_loaded_in_one_line(tmp_path: Path) -> None:
    data = labkit.load_idx(write_idx_folder(tmp_path / "clothes", small_idx_files()))
    assert data.train_images.shape == (30, 28, 28)
    assert data.test_labels.shape == (10,)
    assert data.class_names == tuple("0123456789")


def test_class_names_come_from_the_folder_or_the_call(tmp_path: Path) -> None:
    folder = write_idx_folder(tmp_path / "clothes", small_idx_files())
    names = [f"class {n}" for n in range(10)]
    (folder / "classes.txt").write_text("\n".join(names) + "\n\n", encoding="utf-8")
    assert labkit.load_idx(folder).class_names == tuple(names)
    (folder / "classes.txt").write_text("one\ntwo\n", encoding="utf-8")
    with pytest.raises(LabError, match="2 class names"):
        labkit.load_idx(folder)
    (folder / "classes.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LabError, match="not readable"):
        labkit.load_idx(folder)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no such folder"):
        labkit.load_idx(tmp_path / "nowhere")


def test_the_parameter_dataset_reaches_the_notebooks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "dataset" in PARAMETERS
    folder = write_idx_folder(tmp_path / "clothes", small_idx_files())
    lab = Lab("01_keras_baseline", dataset=str(folder), profile="full")
    assert len(lab.load_data().train_images) == 30
    loaded, warned = capsys.readouterr().out.splitlines()
    assert loaded == "clothes: 30 training and 10 test images"
    assert "say nothing about this data set" in warned
    assert lab.plan(5).train_images == 30
    assert capsys.readouterr().out == "plan: 30 images, 5 epochs (full)\n"
    Lab("01_keras_baseline", dataset="mnist").load_data()
    assert capsys.readouterr().out == "MNIST: 60,000 training and 10,000 test images\n"


def test_results_on_another_data_set_stay_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LABKIT_OUT", raising=False)
    folder = write_idx_folder(tmp_path / "clothes", small_idx_files())
    out = tmp_path / "out"
    labels = labkit.load_idx(folder).test_labels
    with pytest.raises(LabError, match="no results on clothes"):
        collect(out, labels, str(folder))
    lab = Lab("01_keras_baseline", dataset=str(folder), out=str(out), epochs=1)
    plan = lab.plan(5)
    network = nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.LogSoftmax(dim=1))
    history = fit(network, lab.load_data(), epochs=plan.epochs, learning_rate=0.1, seed=1)
    record = lab.record("keras-baseline-5", network, history)
    row = lab.table("keras-baseline-5").loc["keras-baseline-5"]
    assert row["published accuracy (%)"] == row["reference accuracy (%)"] == "–"
    assert row["this run accuracy (%)"] == f"{100 * record.test.accuracy:.2f}"
    assert row["this run was"] == "clothes: 30 images, 1 epoch (quick)"
    assert lab.own_record("keras-baseline-5", plan) is not None
    assert Lab("02_more_epochs", out=str(out), epochs=1).own_record("keras-baseline-5", plan) is None
    assert collect(out, labels, str(folder)).probabilities["keras-baseline-5"].shape == (10, 10)
    with pytest.raises(LabError, match="trained on clothes"):
        collect(out, labels)


def test_every_notebook_that_trains_takes_another_data_set() -> None:
    taking = [name for name, path in series().items() if "dataset" in notebook_parameters(path)]
    assert [name[:2] for name in taking] == ["01", "02", "03", "04", "05", "06", "07", "08"]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_notebooks_run_on_another_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LABKIT_OUT", raising=False)
    mnist = labkit.load_mnist()
    files = {
        "train-images-idx3-ubyte": mnist.train_images[:1500, :, ::-1],
        "train-labels-idx1-ubyte": mnist.train_labels[:1500],
        "t10k-images-idx3-ubyte": mnist.test_images[:, :, ::-1],
        "t10k-labels-idx1-ubyte": mnist.test_labels,
    }
    folder = write_idx_folder(tmp_path / "mirrored", {name: idx_bytes(array) for name, array in files.items()})
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    (folder / "classes.txt").write_text("\n".join(names), encoding="utf-8")
    # one of each kind: Keras, PyTorch, the summary of both, the loop that is written in the notebook
    chosen = {name: path for name, path in series().items() if name[:2] in ("01", "05", "07", "08")}
    out = tmp_path / "report"
    outcomes = run_report(chosen, out, "quick", {"dataset": str(folder), "epochs": 1})
    assert {o.notebook: o.problem for o in outcomes if o.status != "done"} == {}
    for record in load_records(out).values():
        assert record.dataset == "mirrored"
        assert record.recipe.train_images == 1500
    assert "seven taken for" in (out / "07_summary.html").read_text(encoding="utf-8")
