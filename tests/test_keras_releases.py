"""Model files outlive a release of Keras: whichever Keras runs reads what each of three has written."""

from pathlib import Path

import numpy as np
import pytest
from tiny_model import MODELS, known_weights, tiny

from labkit.base.errors import LabError
from labkit.base.paths import reference_dir
from labkit.keras import networks as keras_networks
from labkit.keras.saving import load_model
from labkit.keras.weights import weights_sha256
from labkit.runs.model_files import read_label
from labkit.runs.records import reference_records

WRITTEN = sorted(MODELS.glob("*.keras"))
IMAGES = np.random.default_rng(2).uniform(0, 1, (3, 28, 28, 1)).astype(np.float32)


def test_there_is_a_file_of_each_release() -> None:
    assert [path.stem for path in WRITTEN] == ["keras-3.13.2", "keras-3.15.1", "keras-3.9.0"]


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.stem)
def test_a_network_of_labkit_is_built_from_its_code(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LabError, match="unknown Keras network 'tiny': valid are baseline"):
        load_model(path)
    monkeypatch.setitem(keras_networks.NETWORKS, "tiny", tiny)
    tiny()  # another numbering of the layers than in the file
    network = load_model(path)
    expected = tiny()
    expected.set_weights(known_weights(expected))
    for loaded, weights in zip(network.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(loaded, weights)
    np.testing.assert_array_equal(network(IMAGES).numpy(), expected(IMAGES).numpy())


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.stem)
def test_a_network_at_hand_takes_the_weights(path: Path) -> None:
    network = tiny()
    assert load_model(path, into=network) is network
    for loaded, weights in zip(network.get_weights(), known_weights(network), strict=True):
        np.testing.assert_array_equal(loaded, weights)


def test_shipped_models_are_those_of_the_reference_run() -> None:
    records = reference_records()
    paths = sorted((reference_dir() / "models").glob("*.keras"))
    assert len(paths) == 6
    for path in paths:
        label = read_label(path, "keras")
        assert label is not None
        assert label.network in keras_networks.NETWORKS
        assert weights_sha256(load_model(path)) == label.weights_sha256
        assert label.weights_sha256 in [record.weights_sha256 for record in records.values()]
