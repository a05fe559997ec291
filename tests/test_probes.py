"""Probes, the drawing widget's Python side, and the ONNX export: the same numbers everywhere, and soon enough."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from commands import assert_refused, call
from helpers import STROKE_TO_PICTURE_S

from labkit.base.errors import LabError
from labkit.base.paths import reference_dir
from labkit.data.mnist import ImageSet
from labkit.lab.drawing_widget import DrawWidget, draw, grey_maps
from labkit.report.drawing_page import reference_onnx
from labkit.runs.frameworks import load_probe
from labkit.runs.wiring import PIXELS, Bytes, Floats, Probe


@pytest.fixture(scope="module")
def torch_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from labkit.torch.networks import build
    from labkit.torch.saving import save_model

    path = tmp_path_factory.mktemp("probes") / "deep.pth"
    save_model(build("deep-bn", "leaky_relu", 1), path)
    return path


@pytest.fixture(scope="module")
def keras_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from labkit.keras.networks import build
    from labkit.keras.saving import save_model

    path = tmp_path_factory.mktemp("probes") / "baseline.keras"
    save_model(build("baseline", "relu", 1), path)
    return path


def test_a_torch_probe_gives_the_networks_probabilities(torch_file: Path, mnist: ImageSet) -> None:
    from labkit.torch.evaluation import evaluate
    from labkit.torch.saving import load_model

    network = load_model(torch_file).network
    expected = evaluate(network, mnist.test_images[:3], mnist.test_labels[:3]).probabilities
    probe = load_probe(torch_file)
    for image, row in zip(mnist.test_images, expected, strict=False):
        probabilities, layers = probe(image)
        assert np.abs(probabilities - row).max() < 1e-5
    assert {name: maps.shape for name, maps in layers.items()} == {
        "conv1": (32, 28, 28),
        "bn1": (32, 14, 14),
        "conv2": (64, 14, 14),
        "bn2": (64, 7, 7),
        "conv3": (128, 7, 7),
        "bn3": (128, 3, 3),
        "fc1": (256,),
        "fc2": (128,),
        "fc3": (10,),
    }


def test_a_probe_leaves_the_network_as_it_was(mnist: ImageSet) -> None:
    from labkit.torch.networks import build
    from labkit.torch.probe import probe

    network = build("lenet-dropout", "relu", 1).train()
    probe(network)(mnist.test_images[0])
    assert network.training
    assert not any(module._forward_hooks for module in network.modules())


def test_a_keras_probe_gives_the_networks_probabilities(keras_file: Path, mnist: ImageSet) -> None:
    from labkit.keras.evaluation import evaluate
    from labkit.keras.saving import load_model

    expected = evaluate(load_model(keras_file), mnist.test_images[:3], mnist.test_labels[:3]).probabilities
    probe = load_probe(keras_file)
    for image, row in zip(mnist.test_images, expected, strict=False):
        probabilities, layers = probe(image)
        assert np.abs(probabilities - row).max() < 1e-5
    shapes = [maps.shape for maps in layers.values()]
    assert shapes[:4] == [(64, 26, 26), (64, 26, 26), (64, 26, 26), (64, 13, 13)]
    assert np.allclose(list(layers.values())[-1], probabilities)  # the last layer is the softmax


@pytest.mark.parametrize("kind", ["torch", "keras"])
def test_a_stroke_is_answered_in_time(kind: str, torch_file: Path, keras_file: Path, mnist: ImageSet) -> None:
    widget = draw({"torch": torch_file, "keras": keras_file}[kind])
    widget.read(mnist.test_images[0], widget.network)  # the first call compiles
    taken = []
    for image in mnist.test_images[:20]:
        start = time.process_time()  # of this process alone: other programs may be busy
        widget.read(image, widget.network)
        taken.append(time.process_time() - start)
    # process time adds up the threads: on two cores no more than the wall time of a quiet machine times two
    assert np.median(taken) < STROKE_TO_PICTURE_S


def mean_of(image: Bytes) -> tuple[Floats, dict[str, Floats]]:
    """Answer every image with its mean, as a probe with one layer."""
    return np.full(10, 0.1, np.float32), {"layer": np.array([[[image.mean(), 0, 1]]], np.float32)}


constant = Probe(mean_of, dict)


def test_the_widget_answers_a_message_with_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    widget = DrawWidget({"one": constant, "two": constant})
    sent = []
    monkeypatch.setattr(widget, "send", lambda content, buffers: sent.append((content, buffers)))
    image = np.full((28, 28), 2, np.uint8)
    widget._answer(widget, {"number": 7, "network": "two"}, [memoryview(image.tobytes())])
    ((content, buffers),) = sent
    assert (content["kind"], content["number"], content["layers"]) == (
        "result",
        7,
        [{"name": "layer", "shape": [1, 1, 3]}],
    )
    assert buffers == [bytes([255, 0, 128])]


def test_the_widget_answers_a_question_about_a_map(
    torch_file: Path, mnist: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    widget = draw(torch_file, ("mine", constant))
    sent = []
    monkeypatch.setattr(widget, "send", lambda content, buffers: sent.append((content, buffers)))
    image = mnist.test_images[0]
    question = {"kind": "unit", "question": 3, "network": "deep", "layer": "conv2", "map": 5}
    widget._answer(widget, question, [memoryview(image.tobytes())])
    ((content, buffers),) = sent
    unit = content["unit"]
    assert (content["kind"], content["question"], unit["layer"], unit["map"]) == ("unit", 3, "conv2", 5)
    assert (unit["shape"], unit["source"], unit["wire"]["source"]) == ([64, 14, 14], [32, 14, 14], "bn1")
    assert (len(unit["arrays"]["weight"]), len(unit["arrays"]["bias"])) == (32 * 9, 1)
    _, layers = load_probe(torch_file)(image)
    assert np.allclose(np.frombuffer(buffers[0], np.float32), layers["conv2"][5].ravel())
    assert np.allclose(np.frombuffer(buffers[1], np.float32), layers["bn1"].ravel())

    widget._answer(widget, question | {"network": "mine", "layer": "layer", "map": 0}, [memoryview(image.tobytes())])
    assert sent[1][0]["unit"]["wire"] is None  # nothing is known of its layers


def test_a_torch_network_is_followed_through_the_functions_between_its_layers(torch_file: Path) -> None:
    probe = load_probe(torch_file)
    wires = probe.wires()
    pool = {"op": "max_pool", "size": [2, 2], "stride": [2, 2], "padding": [0, 0]}
    leaky = {"op": "leaky_relu", "slope": 0.1}
    assert wires["conv1"].source == PIXELS
    assert (wires["bn1"].source, wires["bn1"].before, wires["bn1"].after) == ("conv1", (pool,), leaky)
    assert (wires["conv2"].source, wires["conv2"].before) == ("bn1", (leaky,))
    assert wires["fc1"].before == (leaky, {"op": "flatten", "channels_last": False})
    assert wires["fc3"].after == {"op": "softmax"}


def test_what_cannot_be_followed_has_no_wire() -> None:
    import torch
    from torch import nn

    from labkit.torch.probe import probe

    class Doubling(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two, self.three = (
                nn.Conv2d(1, 2, 3),
                nn.Conv2d(2, 2, 3, groups=2),
                nn.Linear(2 * 24 * 24, 10),
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.two(2 * self.one(x))
            x += 1
            return torch.log_softmax(self.three(x.flatten(1)), 1)

    assert list(probe(Doubling()).wires()) == ["one"]


def test_networks_of_the_widget_have_names(torch_file: Path, keras_file: Path) -> None:
    widget = draw(torch_file, keras_file, ("mine", constant))
    assert widget.networks == ["deep", "baseline", "mine"]
    assert widget.network == "deep"
    with pytest.raises(LabError, match="unknown network"):
        widget.read(np.zeros((28, 28), np.uint8), "deap")
    with pytest.raises(LabError, match="no network"):
        DrawWidget({})


def test_grey_maps_span_all_levels() -> None:
    assert grey_maps(np.array([-1, 0, 1], np.float32)).tolist() == [0, 128, 255]
    assert grey_maps(np.array([3, 3], np.float32)).tolist() == [0, 0]


def test_the_onnx_network_gives_pythons_probabilities(torch_file: Path, tmp_path: Path, mnist: ImageSet) -> None:
    ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    from labkit.torch.onnx_export import export_onnx
    from labkit.torch.saving import load_model

    names = export_onnx(load_model(torch_file), tmp_path / "network.onnx")
    assert [path.name for path in tmp_path.glob("*.onnx*")] == ["network.onnx"]  # one file, no data beside it
    session = ort.InferenceSession(str(tmp_path / "network.onnx"))
    probe = load_probe(torch_file)
    for image in mnist.test_images[:20]:
        probabilities, layers = probe(image)
        outputs = dict(zip(names, session.run(names, {"pixels": image[None].astype(np.float32)}), strict=True))
        weights = {name: outputs.pop(name) for name in names if "/" in name}
        assert np.abs(outputs.pop("probabilities")[0] - probabilities).max() < 1e-4
        assert outputs.keys() == layers.keys()
        for name, maps in outputs.items():
            assert np.abs(maps[0] - layers[name]).max() < 1e-3, name
    wires = probe.wires()
    assert set(weights) == {f"{layer}/{name}" for layer, wire in wires.items() for name in wire.arrays}
    assert np.array_equal(weights["conv3/weight"], wires["conv3"].arrays["weight"])
    written = json.loads((tmp_path / "network.json").read_text(encoding="utf-8"))
    assert written == {layer: wire.to_dict() for layer, wire in wires.items()}


def test_the_shipped_onnx_network_is_the_reference_run(mnist: ImageSet) -> None:
    """Grey levels go in: the normalisation is inside."""
    ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    probe = load_probe(reference_dir() / "models" / "mnist_addlayer_epoch20.pth")
    session = ort.InferenceSession(str(reference_onnx()))
    for image in mnist.test_images[:3]:
        (probabilities,) = session.run(["probabilities"], {"pixels": image[None].astype(np.float32)})
        assert np.abs(probabilities[0] - probe(image)[0]).max() < 1e-5
    wires = json.loads(reference_onnx().with_suffix(".json").read_text(encoding="utf-8"))
    assert wires == {layer: wire.to_dict() for layer, wire in probe.wires().items()}


def test_labkit_export_writes_the_network_and_its_wires(torch_file: Path, keras_file: Path, tmp_path: Path) -> None:
    answer = call("export", str(torch_file), "network.onnx")
    layers = "conv1, bn1, conv2, bn2, conv3, bn3, fc1, fc2, fc3"
    assert answer == (0, f"saved network.onnx: probabilities, {layers}\n", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["network.json", "network.onnx"]
    refused = call("export", str(keras_file), "baseline.onnx")
    assert_refused(refused)
    assert refused.err == f"labkit: {keras_file}: a Keras model, not a PyTorch one\n"
    assert not (tmp_path / "baseline.onnx").exists()
