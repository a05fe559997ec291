"""Another data set in one line."""

from pathlib import Path

import numpy as np
import pytest
from helpers import idx_bytes, small_idx_files, write_idx_folder

import labkit
from labkit.errors import LabError
from labkit.lab import Lab
from labkit.parameters import PARAMETERS


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
    assert labkit.load_idx(folder, "abcdefghij").class_names == tuple("abcdefghij")
    (folder / "classes.txt").write_text("one\ntwo\n", encoding="utf-8")
    with pytest.raises(LabError, match="2 class names"):
        labkit.load_idx(folder)
    (folder / "classes.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LabError, match="not readable"):
        labkit.load_idx(folder)


def test_a_folder_that_is_not_there_and_labels_above_nine_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no such folder"):
        labkit.load_idx(tmp_path / "nowhere")
    content = small_idx_files()
    content["train-labels-idx1-ubyte"] = idx_bytes(np.full(30, 25, np.uint8))
    with pytest.raises(LabError, match="the label 25"):
        labkit.load_idx(write_idx_folder(tmp_path / "letters", content))


def test_the_parameter_dataset_reaches_the_notebooks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "dataset" in PARAMETERS
    folder = write_idx_folder(tmp_path / "clothes", small_idx_files())
    data = Lab("01_keras_baseline", dataset=str(folder)).load_data()
    assert len(data.train_images) == 30
    assert capsys.readouterr().out == "clothes: 30 training and 10 test images\n"
    Lab("01_keras_baseline", dataset="mnist").load_data()
    assert capsys.readouterr().out == "MNIST: 60,000 training and 10,000 test images\n"
