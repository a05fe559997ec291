"""The plan of the evidence and the training of its jobs."""

import ast
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest

from labkit.base.errors import LabError
from labkit.base.paths import notebooks_dir
from labkit.data.mnist import ImageSet
from labkit.runs.frameworks import framework
from labkit.runs.records import Record
from labkit.runs.registry import LEAKY_SLOPE
from labkit.stats.plan import read_plan
from labkit.stats.sweeps import read_compact, reference_sweep
from labkit.sweep.evidence import EvidenceJob, planned_jobs, ship_evidence, train_evidence, train_job
from labkit.sweep.jobs import write_job

JOBS = planned_jobs(read_plan())


def first(run: str) -> EvidenceJob:
    """Return the first job of a run."""
    return next(job for job in JOBS if job.run == run)


def test_the_plan_has_the_seeds_that_it_was_written_with() -> None:
    seeds = {run: sorted(job.seed for job in JOBS if job.run == run) for run in read_plan()["runs"]}
    assert seeds["torch-baseline-20"] == seeds["torch-leaky-relu-20"] == list(range(30))
    for run in ("keras-baseline-20", "keras-extra-conv-same-20", "torch-deep-bn-20", "keras-baseline-plain-bn-5"):
        assert seeds[run] == list(range(10))
    assert seeds["torch-deep-bn-without-depth-20"] == list(range(5))
    assert len(JOBS) == len({job.name for job in JOBS}) == 190


@pytest.mark.parametrize("run", dict.fromkeys(job.run for job in JOBS))
def test_every_network_of_the_plan_can_be_built(run: str) -> None:
    job = first(run)
    assert framework(job.framework).build(job.network, job.activation, 0) is not None
    assert job.momentum == {"keras": 0.0, "torch": 0.5}[job.framework]


@pytest.mark.parametrize("run", ["torch-baseline-20", "keras-baseline-20"])
def test_stopping_to_test_changes_nothing(run: str, mnist: ImageSet) -> None:
    data = ImageSet(mnist.train_images[:300], mnist.train_labels[:300], mnist.test_images[:50], mnist.test_labels[:50])
    stopped, predictions = train_job(replace(first(run), test_after=(1, 2)), data)
    straight, last = train_job(replace(first(run), test_after=(2,)), data)
    assert stopped.weights_sha256 == straight.weights_sha256
    assert (predictions["epoch_2"] == last["epoch_2"]).all()
    assert list(predictions) == ["epoch_1", "epoch_2"]
    assert stopped.train is not None
    assert stopped.train.total == 300


def test_an_ablation_without_changes_is_the_small_network_and_with_all_of_them_deep_bn() -> None:
    torch = pytest.importorskip("torch")
    from labkit.torch.ablation import CHANGES, AblationNetwork
    from labkit.torch.networks import build

    for changes, activation, network in (((), "relu", "lenet-dropout"), (CHANGES, "leaky_relu", "deep-bn")):
        torch.manual_seed(3)
        rebuilt = AblationNetwork(changes, activation).eval()
        images = torch.rand(2, 1, 28, 28)
        original = build(network, activation, 3).eval()
        assert all((a == b).all() for a, b in zip(rebuilt.parameters(), original.parameters(), strict=True))
        assert torch.allclose(rebuilt(images), original(images), atol=1e-6)


@pytest.mark.parametrize("change", ["channels", "depth", "batch-norm", "wide-layers", "less-dropout"])
def test_the_networks_of_the_plan_are_those_of_notebook_06(change: str) -> None:
    torch = pytest.importorskip("torch")
    from labkit.torch.ablation import CHANGES, AblationNetwork

    cells = nbformat.read(notebooks_dir() / "06_deep_bn_network.ipynb", as_version=4).cells
    (source,) = (cell.source for cell in cells if "class Variant(" in cell.source)
    (definition,) = (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
    names: dict[str, Any] = {"nn": torch.nn, "partial": partial, "LEAKY_SLOPE": LEAKY_SLOPE}
    exec(compile(ast.Module([definition], []), "06", "exec"), names)
    undone = tuple(other for other in CHANGES if other != change)
    for changes, activation in (((change,), "relu"), (undone, "leaky_relu")):
        leaky = ("Leaky ReLU",) if activation == "leaky_relu" else ()
        torch.manual_seed(3)
        shown = names["Variant"](tuple(name.replace("-", " ") for name in changes) + leaky)
        torch.manual_seed(3)
        ours = AblationNetwork(changes, activation)
        images = torch.rand(4, 1, 28, 28)
        torch.manual_seed(4)
        output = shown(images)  # in training mode, where dropout shows as well
        torch.manual_seed(4)
        assert torch.equal(output, ours(images))


def test_batch_norm_of_the_plain_baseline_is_left_to_keras(mnist: ImageSet) -> None:
    from labkit.keras.batch_norm import fused_batch_normalisation
    from labkit.keras.networks import build

    for network, replaced in (("baseline", 5), ("baseline-plain-bn", 0)):
        built = build(network, "relu", 0)
        with fused_batch_normalisation(built):
            assert sum("call" in vars(layer) for layer in built.layers) == replaced


def test_finished_jobs_are_added_to_what_ships_and_seeds_that_are_there_are_kept(
    mnist: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = ImageSet(mnist.train_images[:200], mnist.train_labels[:200], mnist.test_images[:50], mnist.test_labels[:50])

    def finish(out: Path, seed: int) -> Record:
        record, predictions = train_job(replace(first("torch-baseline-20"), test_after=(1, 2), seed=seed), data)
        write_job(out, f"torch-baseline-20-seed-{seed:04d}", record, **predictions)
        return record

    records = {seed: finish(tmp_path / "one", seed) for seed in (3, 1)}
    (path,) = ship_evidence(tmp_path / "one", tmp_path / "evidence")
    before = path.read_text()
    assert ship_evidence(tmp_path / "one", tmp_path / "evidence") == []
    records[2] = finish(tmp_path / "two", 2)
    ship_evidence(tmp_path / "two", tmp_path / "evidence")
    seeds = json.loads(path.read_text())["seeds"]
    assert [entry["seed"] for entry in seeds] == [1, 2, 3]
    assert [entry["weights_sha256"] for entry in seeds] == [records[seed].weights_sha256 for seed in (1, 2, 3)]
    assert seeds[0] == json.loads(before)["seeds"][0]
    with np.load(path.with_suffix(".npz")) as arrays:
        assert arrays["epoch_2"].shape == (3, 50)
        correct = (arrays["epoch_2"] == data.test_labels).sum(axis=1)
    assert list(correct) == [records[seed].test.correct for seed in (1, 2, 3)]

    results = read_compact(path)
    assert [result.seed for result in results] == [1, 2, 3]
    for result in results:
        assert result.made_on == {"device": records[result.seed].device, "versions": records[result.seed].versions}
        for epoch, accuracy in enumerate(result.test_accuracy, 1):
            assert np.mean(result.predictions_by_epoch[epoch] == data.test_labels) == accuracy
    monkeypatch.setattr("labkit.stats.sweeps.evidence_dir", lambda: tmp_path / "evidence")
    assert [result.seed for result in reference_sweep()] == [1, 2, 3]


def test_an_unknown_run_of_the_plan_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="did you mean 'torch-baseline-20'"):
        train_evidence(tmp_path, ["torch-baselin-20"])
