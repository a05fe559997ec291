"""Model files from strangers: damaged, of another kind, hostile. One line, exit 2, and no code of theirs runs."""

import io
import json
import os
import pickle
import re
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest
import torch
from training_child import small_data

from labkit import cli
from labkit.base.errors import LabError
from labkit.keras import networks as keras_networks
from labkit.keras import saving as keras_models
from labkit.keras import weights as keras_weights
from labkit.keras.quiet_tensorflow import keras
from labkit.runs import model_files as archives
from labkit.runs.frameworks import test_model as run_test_model
from labkit.runs.model_files import model_kind
from labkit.torch import networks as torch_networks
from labkit.torch import saving as torch_models
from labkit.torch import weights as torch_weights

KINDS = ("torch", "keras")
DATA = small_data(10, 50)
SUFFIX = {"torch": ".pth", "keras": ".keras"}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The bytes of one model of each framework, as labkit saves them."""
    folder = tmp_path_factory.mktemp("models")
    torch_models.save_model(torch_networks.build("lenet-dropout", "relu", 1), folder / "a.pth")
    keras_models.save_model(keras_networks.build("extra-conv", "relu", 1), folder / "a.keras")
    assert sorted(p.name for p in folder.iterdir()) == ["a.keras", "a.pth"]
    return {kind: (folder / f"a{SUFFIX[kind]}").read_bytes() for kind in KINDS}


@pytest.fixture(autouse=True)
def little_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `labkit test` load some images instead of 70,000 for every file."""
    monkeypatch.setattr("labkit.data.mnist.load_mnist", lambda: DATA)


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
def test_byte_flipped_anywhere(kind: str, saved: dict[str, bytes], tmp_path: Path) -> None:
    """Refused, or the flip lies where no weight and no setting does: a date, say."""
    path = tmp_path / f"model{SUFFIX[kind]}"
    whole = saved[kind]
    path.write_bytes(whole)
    expected = _content(kind, path)
    # the local header in front, places all over the file, the label and the directory at the end
    ends = {*range(0, 60, 2), *range(len(whole) - 800, len(whole), 9)}
    for number, place in enumerate(sorted({*ends, *range(60, len(whole) - 800, len(whole) // 150)})):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << number % 8
        path.write_bytes(damaged)
        try:
            content = _content(kind, path)
        except LabError as problem:
            assert "\n" not in str(problem)
        else:
            assert content == expected


def _content(kind: str, path: Path) -> object:
    """Return what a file is for its user: weights, and the normalisation of images."""
    if kind == "torch":
        model = torch_models.load_model(path)
        return torch_weights.weights_sha256(model.network), model.mean, model.std
    return keras_weights.weights_sha256(keras_models.load_model(path))


def test_of_the_other_framework(saved: dict[str, bytes], tmp_path: Path) -> None:
    for kind, load, said in (
        ("torch", keras_models.load_model, "a PyTorch model, not a Keras one"),
        ("keras", torch_models.load_model, "a Keras model, not a PyTorch one"),
    ):
        path = tmp_path / f"misnamed{SUFFIX['keras' if kind == 'torch' else 'torch']}"
        path.write_bytes(saved[kind])
        with pytest.raises(LabError, match=said):
            load(path)
    path = tmp_path / "network of another.pth"
    path.write_bytes(own_keras(tmp_path))
    with pytest.raises(LabError, match=r"rename it to end in \.keras"):
        run_test_model(path, DATA)


def own_keras(folder: Path) -> bytes:
    """Return the file of a Keras network that labkit does not build."""
    layers = [keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")]
    keras_models.save_model(keras.Sequential(layers), folder / "own.keras")
    return (folder / "own.keras").read_bytes()


def with_part(content: bytes, ending: str, change: Callable[[bytes], bytes | None]) -> bytes:
    """Return an archive with one part changed, or left out, and everything else as it was."""
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            part: bytes | None = old.read(name)
            if part is not None and name.endswith(ending):
                part = change(part)
            if part is not None:
                new.writestr(name, part)
    return changed.getvalue()


def with_label(content: bytes, **fields: object) -> bytes:
    return with_part(content, "labkit.json", lambda part: json.dumps(json.loads(part) | fields).encode())


@pytest.mark.parametrize(
    ("kind", "name", "near"), [("torch", "deep_bm", "deep-bn"), ("keras", "extra-con", "extra-conv")]
)
def test_label_that_names_what_labkit_does_not_have(
    kind: str, name: str, near: str, saved: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"model{SUFFIX[kind]}"
    path.write_bytes(with_label(saved[kind], network=name))
    said = refused(path, capsys)
    assert said.startswith("unknown ")
    assert f"network {name!r}: valid are " in said
    assert said.endswith(f"; did you mean {near!r}?")
    path.write_bytes(with_label(saved[kind], activation="tanh"))
    assert refused(path, capsys) == "unknown activation 'tanh': valid are relu, leaky_relu"
    path.write_bytes(with_label(saved[kind], format=2, network={"of a": "newer shape"}, depth=3))
    assert refused(path, capsys) == "in format 2 of a newer labkit; this one reads format 1: update it"


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_label(kind: str, saved: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / f"model{SUFFIX[kind]}"
    faults: tuple[dict[str, object], ...] = (
        {"format": 0},
        {"format": "1"},
        {"framework": "jax"},
        {"network": ["lenet-dropout"]},
        {"std": 0.0},
        {"mean": None},
        {"colour": "grey"},
    )
    for fields in faults:
        path.write_bytes(with_label(saved[kind], **fields))
        assert re.fullmatch(r"damaged: its (archive/)?labkit\.json cannot be read", refused(path, capsys))
    for part in (b"", b"[1]", b"{", b"\xff", b"[" * 100_000):
        path.write_bytes(with_part(saved[kind], "labkit.json", lambda _, part=part: part))  # type: ignore[misc]
        assert re.fullmatch(r"damaged: its (archive/)?labkit\.json cannot be read", refused(path, capsys))
    path.write_bytes(with_label(saved[kind], weights_sha256="0" * 64))
    assert refused(path, capsys) == "damaged: the SHA-256 of its weights does not match"


def with_torch_weights(content: bytes, weights: dict[str, Any]) -> bytes:
    """Return a `.pth` file with other weights under the same label."""
    label = archives.Label(**json.loads(zipfile.ZipFile(io.BytesIO(content)).read("archive/labkit.json")))
    packed = io.BytesIO()
    torch.save(weights, packed)
    return archives.labelled(packed.getvalue(), label)


def test_torch_weights_missing_too_many_or_of_another_shape(
    saved: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "model.pth"
    weights = torch_networks.build("lenet-dropout", "relu", 1).state_dict()
    for changed, said in (
        (
            {k: v for k, v in weights.items() if k != "fc2.bias"},
            "its network has 8 weights; missing in the file: 'fc2.bias'",
        ),
        (
            weights | {f"fc{i}.bias": torch.zeros(1) for i in range(3, 8)},
            "its network has 8 weights; too many in the file: 'fc3.bias', 'fc4.bias', 'fc5.bias' and 2 more",
        ),
        (weights | {"fc2.bias": torch.zeros(9)}, "its weights 'fc2.bias' have the shape (9,); valid is (10,)"),
        (
            weights | {"fc2.bias": torch.zeros(10, dtype=torch.bfloat16)},
            "damaged: its weights cannot be read (TypeError)",
        ),
        (weights | {"epochs": 5}, "holds something else than the weights of a network; valid is a state dict"),
    ):
        path.write_bytes(with_torch_weights(saved["torch"], changed))
        assert refused(path, capsys) == said
        own = torch_networks.build("lenet-dropout", "leaky_relu", 1)
        before = torch_weights.weights_sha256(own)
        with pytest.raises(LabError, match=re.escape(said)):
            torch_models.load_model(path, into=own)
        assert torch_weights.weights_sha256(own) == before


def test_keras_weights_missing_too_many_or_of_another_shape(
    saved: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "model.keras"

    def changed(change: Callable[[Any], None]) -> bytes:
        def in_place(part: bytes) -> bytes:
            (tmp_path / "weights.h5").write_bytes(part)
            with h5py.File(tmp_path / "weights.h5", "r+") as stored:
                change(stored["layers"])
            return (tmp_path / "weights.h5").read_bytes()

        return with_part(saved["keras"], "model.weights.h5", in_place)

    def missing(layers: Any) -> None:
        del layers["dense_3/vars/1"]

    def more(layers: Any) -> None:
        layers["dense_4/vars/0"] = [1.0]

    def other_shape(layers: Any) -> None:
        missing(layers)
        layers["dense_3/vars/1"] = [0.0] * 9

    def elsewhere(layers: Any) -> None:
        missing(layers)
        layers["dense_3/vars/1"] = h5py.ExternalLink("other.h5", "bias")

    for change, said in (
        (missing, "its network has 38 weights; missing in the file: 'layers/dense_3/vars/1'"),
        (more, "its network has 38 weights; too many in the file: 'layers/dense_4/vars/0'"),
        (other_shape, "its weights 'layers/dense_3/vars/1' have the shape (9,); valid is (10,)"),
        (elsewhere, "its network has 38 weights; missing in the file: 'layers/dense_3/vars/1'"),
    ):
        path.write_bytes(changed(change))
        assert refused(path, capsys) == said
        own = keras_networks.build("extra-conv", "leaky_relu", 1)
        before = keras_weights.weights_sha256(own)
        with pytest.raises(LabError, match=re.escape(said)):
            keras_models.load_model(path, into=own)
        assert keras_weights.weights_sha256(own) == before
    path.write_bytes(with_part(saved["keras"], "model.weights.h5", lambda _: b"no HDF5 file"))
    assert refused(path, capsys) == "damaged: its weights cannot be read (OSError)"


def test_weights_that_do_not_say_of_which_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "model.pth"
    network = torch_networks.build("lenet-dropout", "relu", 1)
    torch.save(network.state_dict(), path)
    said = (
        "the weights of a network that labkit does not build; build it yourself and call load_model(path, into=network)"
    )
    assert refused(path, capsys) == said
    fresh = torch_networks.build("lenet-dropout", "relu", 2)
    assert torch_models.load_model(path, into=fresh).network is fresh
    assert torch_weights.weights_sha256(fresh) == torch_weights.weights_sha256(network)


def test_an_edited_torch_network_is_loaded_into_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the same names and shapes: only what `forward` computes has changed."""

    class Edited(torch_networks.LeNetDropout):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x).sqrt()

    path = tmp_path / "model.pth"
    network = Edited()
    torch_models.save_model(network, path, mean=0.5, std=0.25)
    assert "build it yourself and call load_model(path, into=network)" in refused(path, capsys)
    fresh = Edited()
    model = torch_models.load_model(path, into=fresh)
    assert (model.network, model.mean, model.std) == (fresh, 0.5, 0.25)
    assert torch_weights.weights_sha256(fresh) == torch_weights.weights_sha256(network)


def test_an_edited_keras_network_is_rebuilt_or_loaded_into_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "model.keras"
    network = keras_networks.build("extra-conv", "relu", 1)
    network.layers[-2].rate = 0.125
    keras_models.save_model(network, path)
    rebuilt = keras_models.load_model(path)
    assert rebuilt.layers[-2].rate == 0.125
    assert keras_weights.weights_sha256(rebuilt) == keras_weights.weights_sha256(network)

    def of_a_newer_keras(part: bytes) -> bytes:
        return part.replace(b'"padding"', b'"input_axes": 3, "padding"')

    path.write_bytes(with_part(path.read_bytes(), "config.json", of_a_newer_keras))
    said = refused(path, capsys)
    assert said.startswith(f"Keras {keras.__version__} cannot rebuild its network (")
    assert said.endswith("; build it yourself and call load_model(path, into=network)")
    fresh = keras_networks.build("extra-conv", "relu", 2)
    assert keras_models.load_model(path, into=fresh) is fresh
    assert keras_weights.weights_sha256(fresh) == keras_weights.weights_sha256(network)
    with pytest.raises(LabError, match="too many in the file: 'layers/batch_normalization_5/vars/0'"):
        keras_models.load_model(path, into=keras_networks.build("baseline", "relu", 1))


def test_keras_layers_in_another_order_are_noticed(tmp_path: Path) -> None:
    """The names and shapes of the weights are the same."""
    layers = keras.layers
    saved, other = (
        keras.Sequential([keras.Input((28, 28, 1)), *stack, layers.Flatten(), layers.Dense(10)])
        for stack in (
            [layers.Conv2D(1, 3), layers.BatchNormalization()],
            [layers.BatchNormalization(), layers.Conv2D(1, 3)],
        )
    )
    keras_models.save_model(saved, tmp_path / "model.keras")
    with pytest.raises(LabError, match="or your network has its layers in another order"):
        keras_models.load_model(tmp_path / "model.keras", into=other)


def test_a_keras_network_of_labkit_needs_no_configuration(saved: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    keras_networks.build("extra-conv", "relu")  # the layers of the next one are called conv2d_3, ...
    path.write_bytes(with_part(saved["keras"], "config.json", lambda _: b"{}"))
    network = keras_models.load_model(path)
    assert keras_weights.weights_sha256(network) == keras_weights.weights_sha256(
        keras_networks.build("extra-conv", "relu", 1)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_framework_alone_opens_what_labkit_saved(kind: str, saved: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / f"model{SUFFIX[kind]}"
    path.write_bytes(saved[kind])
    if kind == "torch":
        network = torch_networks.build("lenet-dropout", "relu")
        network.load_state_dict(torch.load(path, weights_only=True))
        weights = torch_weights.weights_sha256(network)
    else:
        weights = keras_weights.weights_sha256(keras.saving.load_model(path))
    label = archives.read_label(path, kind)  # type: ignore[arg-type]
    assert label is not None
    assert weights == label.weights_sha256


@pytest.mark.parametrize("kind", KINDS)
def test_saving_draws_no_random_number(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"model{SUFFIX[kind]}"
    if kind == "torch":
        network = torch_networks.build("deep-bn", "relu", 1)
        before = torch.get_rng_state()
        torch_models.save_model(network, path)
        assert torch.equal(torch.get_rng_state(), before)
    else:
        keras_networks.build("extra-conv", "relu", 1)
        expected = keras_weights.weights_sha256(keras_networks.build("extra-conv", "relu"))
        keras_models.save_model(keras_networks.build("extra-conv", "relu", 1), path)
        assert keras_weights.weights_sha256(keras_networks.build("extra-conv", "relu")) == expected


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


def test_pickle_with_code_is_refused_and_does_not_run(
    saved: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace, path = tmp_path / "the code ran", tmp_path / "model.pth"
    evil = MakesFolder(trace)
    torch.save(evil, path)
    torch.load(path, weights_only=False)
    assert trace.is_dir()  # that is what the file does where nobody looks
    trace.rmdir()

    said = "refused: the file holds more than weights, and loading it could run code"
    assert refused(path, capsys) == said
    weights = torch_networks.build("lenet-dropout", "relu", 1).state_dict()
    path.write_bytes(with_torch_weights(saved["torch"], weights | {"conv1.weight": evil}))
    assert refused(path, capsys) == said
    torch.save(evil, path, _use_new_zipfile_serialization=False)
    assert "not a model file" in refused(path, capsys)
    path.write_bytes(pickle.dumps(evil))
    assert "not a model file" in refused(path, capsys)
    assert not trace.exists()


def _rewrite_config(content: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """Return a `.keras` file with its configuration changed and everything else as it was."""

    def rewrite(part: bytes) -> bytes:
        config = json.loads(part)
        change(config)
        return json.dumps(config).encode()

    return with_part(content, "config.json", rewrite)


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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trace, path = tmp_path / "the code ran", tmp_path / "model.keras"
    own = own_keras(tmp_path)
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
            path.write_bytes(_rewrite_config(own, change))
            assert refused(path, capsys).startswith(f"refused: it names '{module}.{name}'")
    assert not trace.exists()
    assert "innocent_layers" not in sys.modules


def test_keras_config_that_is_no_network(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    own = own_keras(tmp_path)

    def unknown_layer(config: dict[str, Any]) -> None:
        config["config"]["layers"][1]["class_name"] = "Conv9D"

    def no_layers(config: dict[str, Any]) -> None:
        config.clear()

    def odd_module(config: dict[str, Any]) -> None:
        config["config"]["layers"][1]["module"] = ["keras"]

    for change in (unknown_layer, no_layers, odd_module):
        path.write_bytes(_rewrite_config(own, change))
        with pytest.raises(LabError) as caught:
            keras_models.load_model(path)
        assert "\n" not in str(caught.value)


def test_a_full_or_read_only_disk(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    network = torch_networks.build("lenet-dropout", "relu", 1)
    with pytest.raises(LabError, match="cannot be written"):
        torch_models.save_model(network, blocked / "model.pth")
    with pytest.raises(LabError, match="cannot be written"):
        keras_models.save_model(keras_networks.build("extra-conv", "relu", 1), blocked / "model.keras")
