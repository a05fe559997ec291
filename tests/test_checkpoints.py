"""Model files from strangers: damaged, of another kind, hostile. One line, exit 2, and no code of theirs runs."""

import io
import json
import os
import pickle
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from training_child import small_data

from labkit import cli, keras_models, keras_networks, keras_training, torch_models, torch_networks, torch_training
from labkit.archives import model_kind
from labkit.errors import LabError
from labkit.models import test_model as run_test_model
from labkit.quiet_tensorflow import keras

KINDS = ("torch", "keras")
DATA = small_data(10, 50)
SUFFIX = {"torch": ".pth", "keras": ".keras"}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The bytes of one model of each framework, as labkit saves them."""
    folder = tmp_path_factory.mktemp("models")
    torch_models.save_model(torch_networks.build("lenet-dropout", "relu", 1), folder / "a.pth", "lenet-dropout", "relu")
    keras_models.save_model(keras_networks.build("extra-conv", "relu", 1), folder / "a.keras")
    assert sorted(p.name for p in folder.iterdir()) == ["a.keras", "a.pth"]
    return {kind: (folder / f"a{SUFFIX[kind]}").read_bytes() for kind in KINDS}


@pytest.fixture(autouse=True)
def little_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `labkit test` load some images instead of 70,000 for every file."""
    monkeypatch.setattr("labkit.data.load_mnist", lambda: DATA)


def refused(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Run `labkit test`, see it end with one line and exit code 2, and return what the line says of the file."""
    with pytest.raises(SystemExit) as caught:
        cli.main(["test", str(path)])
    out, err = capsys.readouterr()
    assert caught.value.code == 2
    assert out == ""
    assert err.startswith(f"labkit: {path}: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    return err.removeprefix(f"labkit: {path}: ").strip()


@pytest.mark.parametrize("kind", KINDS)
def test_whole_files_are_accepted(kind: str, saved: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / f"model{SUFFIX[kind]}"
    path.write_bytes(saved[kind])
    assert model_kind(path) == kind
    assert run_test_model(path, DATA).total == 50


@pytest.mark.parametrize("kind", KINDS)
def test_cut_at_every_tenth(
    kind: str, saved: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"model{SUFFIX[kind]}"
    whole = saved[kind]
    for length in (*(len(whole) * tenth // 10 for tenth in range(10)), len(whole) - 1):
        path.write_bytes(whole[:length])
        assert "damaged" in refused(path, capsys)


@pytest.mark.parametrize("kind", KINDS)
def test_byte_flipped_anywhere(
    kind: str, saved: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"model{SUFFIX[kind]}"
    whole = saved[kind]
    # the local header in front, places all over the file, the directory and the seal at the end
    places = {*range(60), *range(0, len(whole), len(whole) // 150), *range(len(whole) - 400, len(whole), 3)}
    for number, place in enumerate(sorted(places)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << number % 8
        path.write_bytes(damaged)
        with pytest.raises(LabError) as caught:
            model_kind(path)
        assert "\n" not in str(caught.value)
    assert "damaged" in refused(path, capsys)


@pytest.mark.parametrize("kind", KINDS)
def test_byte_flipped_in_a_file_without_a_seal(kind: str, saved: dict[str, bytes], tmp_path: Path) -> None:
    """A file that the framework saved itself: refused, or the flip lies where no weight and no setting does."""
    original = zipfile.ZipFile(io.BytesIO(saved[kind]))
    plain = io.BytesIO()
    with zipfile.ZipFile(plain, "w") as archive:
        for entry in original.infolist():
            archive.writestr(entry, original.read(entry))
    whole = plain.getvalue()
    path = tmp_path / f"model{SUFFIX[kind]}"
    path.write_bytes(whole)
    weights = _weights(kind, path)
    passed = 0
    for place in range(5, len(whole), len(whole) // 40):
        damaged = bytearray(whole)
        damaged[place] ^= 0x10
        path.write_bytes(damaged)
        try:
            assert _weights(kind, path) == weights
            passed += 1
        except LabError:
            continue
    assert passed <= 2


def _weights(kind: str, path: Path) -> str:
    if kind == "torch":
        return torch_training.weights_sha256(torch_models.load_model(path).network)
    return keras_training.weights_sha256(keras_models.load_model(path))


def test_of_the_other_framework(saved: dict[str, bytes], tmp_path: Path) -> None:
    for kind, load, said in (
        ("torch", keras_models.load_model, "a PyTorch model, not a Keras one"),
        ("keras", torch_models.load_model, "a Keras model, not a PyTorch one"),
    ):
        path = tmp_path / f"misnamed{SUFFIX['keras' if kind == 'torch' else 'torch']}"
        path.write_bytes(saved[kind])
        with pytest.raises(LabError, match=said):
            load(path)
    with pytest.raises(LabError, match=r"rename it to end in \.keras"):
        run_test_model(path, DATA)


def test_weights_of_another_torch_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "model.pth"
    network = torch_networks.build("deep-bn", "relu", 1)
    torch_models.save_model(network, path, "lenet-dropout", "relu")
    assert refused(path, capsys) == "its weights do not fit the network 'lenet-dropout': was it edited?"
    torch_models.save_model(network, path, "resnet", "relu")
    assert "'resnet'" in refused(path, capsys)
    torch.save(network.state_dict(), path)
    assert "do not say of which network" in refused(path, capsys)
    for mean in (None, "grey", [1.0]):
        torch_models.save_model(network, path, "deep-bn", "relu", mean=mean)  # type: ignore[arg-type]
        refused(path, capsys)


def test_keras_network_for_other_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "model.keras"
    layers = keras.layers
    for shape, classes in (((32, 32, 3), 10), ((28, 28, 1), 5)):
        network = keras.Sequential([keras.Input(shape), layers.Flatten(), layers.Dense(classes, "softmax")])
        keras_models.save_model(network, path)
        assert "valid are (None, 28, 28, 1) and (None, 10)" in refused(path, capsys)


def test_empty_folder_missing_and_something_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "model.pth"
    assert "no such model file" in refused(path, capsys)
    path.write_bytes(b"")
    assert "not a model file" in refused(path, capsys)
    path.write_text("hello\n" * 1000)
    assert "not a model file" in refused(path, capsys)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "hello")
    assert refused(path, capsys) == "an archive, but not of a Keras or PyTorch model"
    path.unlink()
    path.mkdir()
    assert "a folder" in refused(path, capsys)


class MakesFolder:
    """A pickle that makes a folder when it is loaded."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (self.folder,)


def test_pickle_with_code_is_refused_and_does_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace, path = tmp_path / "the code ran", tmp_path / "model.pth"
    evil = MakesFolder(trace)
    torch.save(evil, path)
    torch.load(path, weights_only=False)
    assert trace.is_dir()  # that is what the file does where nobody looks
    trace.rmdir()

    said = "refused: the file holds more than weights, and loading it could run code"
    assert refused(path, capsys) == said
    network = torch_networks.build("lenet-dropout", "relu", 1)
    content = {"format": torch_models.FORMAT, "network": "lenet-dropout", "activation": "relu", "mean": 0.0, "std": 1.0}
    torch.save(content | {"state_dict": network.state_dict() | {"conv1.weight": evil}}, path)
    assert refused(path, capsys) == said
    torch.save(evil, path, _use_new_zipfile_serialization=False)
    assert "not a model file" in refused(path, capsys)
    path.write_bytes(pickle.dumps(evil))
    assert "not a model file" in refused(path, capsys)
    assert not trace.exists()


def _rewrite_config(content: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """Return a `.keras` file with its configuration changed and everything else as it was."""
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            part = old.read(name)
            if name == "config.json":
                config = json.loads(part)
                change(config)
                part = json.dumps(config).encode()
            new.writestr(name, part)
    return changed.getvalue()


def test_keras_lambda_is_refused_and_does_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace, path = tmp_path / "the code ran", tmp_path / "model.keras"
    folder = str(trace)

    def leave_trace(x: Any) -> Any:
        Path(folder).mkdir(exist_ok=True)
        return x

    for function in (leave_trace, lambda x: (os.system(f"mkdir -p '{folder}'"), x)[1]):
        layers = [keras.layers.Flatten(), keras.layers.Lambda(function), keras.layers.Dense(10, "softmax")]
        keras.Sequential([keras.Input((28, 28, 1)), *layers]).save(path)
        trace.rmdir()  # building the network ran the function
        assert refused(path, capsys).startswith("refused: ")
        assert not trace.exists()


def test_keras_config_that_names_code_is_refused_and_does_not_run(
    saved: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trace, path = tmp_path / "the code ran", tmp_path / "model.keras"
    (tmp_path / "innocent_layers.py").write_text(f"import os\nos.mkdir({str(trace)!r})\nclass Layer:\n    pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    command = f"mkdir '{trace}'"
    for module, name, settings in (
        ("os", "system", {"command": command}),
        ("subprocess", "Popen", {"args": command, "shell": True}),
        ("builtins", "eval", {"source": f"__import__('os').mkdir({str(trace)!r})"}),
        ("builtins", "function", {"name": "system"}),
        ("innocent_layers", "Layer", {}),
        ("keras.utils", "get_file", {"fname": "x", "origin": "http://localhost/x"}),
        ("keras.layers", "TFSMLayer", {"filepath": str(tmp_path)}),
        ("keras.layers", "Lambda", {"function": {"class_name": "__lambda__", "config": {"code": "4wE=\n"}}}),
    ):
        named = {"module": module, "class_name": name, "config": settings, "registered_name": None}

        def as_layer(config: dict[str, Any], named: dict[str, Any] = named) -> None:
            config["config"]["layers"].insert(1, named)

        def as_activation(config: dict[str, Any], named: dict[str, Any] = named) -> None:
            config["config"]["layers"][-1]["config"]["activation"] = named

        def as_network(config: dict[str, Any], named: dict[str, Any] = named) -> None:
            config.update(named)

        for change in (as_layer, as_activation, as_network):
            path.write_bytes(_rewrite_config(saved["keras"], change))
            assert refused(path, capsys).startswith(f"refused: it names '{module}.{name}'")
    assert not trace.exists()
    assert "innocent_layers" not in sys.modules


def test_keras_config_that_is_no_network(saved: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "model.keras"

    def unknown_layer(config: dict[str, Any]) -> None:
        config["config"]["layers"][1]["class_name"] = "Conv9D"

    def no_layers(config: dict[str, Any]) -> None:
        config.clear()

    def odd_module(config: dict[str, Any]) -> None:
        config["config"]["layers"][1]["module"] = ["keras"]

    for change in (unknown_layer, no_layers, odd_module):
        path.write_bytes(_rewrite_config(saved["keras"], change))
        with pytest.raises(LabError) as caught:
            keras_models.load_model(path)
        assert "\n" not in str(caught.value)


def test_a_full_or_read_only_disk(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    network = torch_networks.build("lenet-dropout", "relu", 1)
    with pytest.raises(LabError, match="cannot be written"):
        torch_models.save_model(network, blocked / "model.pth", "lenet-dropout", "relu")
    with pytest.raises(LabError, match="cannot be written"):
        keras_models.save_model(keras_networks.build("extra-conv", "relu", 1), blocked / "model.keras")
