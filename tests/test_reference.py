"""The shipped reference run hangs together; its Keras models are looked at in test_keras_releases.py."""

import numpy as np

from labkit.base.paths import evidence_dir, reference_dir
from labkit.data.mnist import ImageSet
from labkit.runs.model_files import read_label
from labkit.runs.records import load_probabilities, reference_records
from labkit.runs.registry import ten_runs
from labkit.stats.sweeps import read_compact
from labkit.torch.saving import load_model
from labkit.torch.weights import weights_sha256


def test_the_pytorch_models_hold_the_weights_of_their_runs() -> None:
    models, records = reference_dir() / "models", reference_records()
    runs = {run.model_file: run.id for run in ten_runs().values() if run.framework == "torch"}
    assert sorted(runs) == sorted(path.name for path in models.glob("*.pth"))
    for name, run in runs.items():
        label = read_label(models / name, "torch")
        assert label is not None
        found = weights_sha256(load_model(models / name).network)
        assert found == label.weights_sha256 == records[run].weights_sha256, name


def test_the_predictions_are_right_as_often_as_their_runs(mnist: ImageSet) -> None:
    records = reference_records()
    correct = {}
    for run in ten_runs():
        probabilities = load_probabilities(reference_dir(), run)
        assert probabilities is not None, run
        correct[run] = int(np.sum(probabilities.argmax(axis=1) == mnist.test_labels))
    assert correct == {run: records[run].test.correct for run in ten_runs()}


def test_its_keras_networks_are_seed_1_of_the_evidence() -> None:
    records = reference_records()
    for run in ten_runs().values():
        if run.framework == "keras" and run.epochs == 20:
            (first,) = [result for result in read_compact(evidence_dir() / f"{run.id}.json") if result.seed == 1]
            assert first.weights_sha256 == records[run.id].weights_sha256, run.id
