"""Sweeps in one process: which jobs there are, what they leave, and what is read from it."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from labkit.base.errors import LabError
from labkit.base.files import save_arrays
from labkit.cli import main
from labkit.data.mnist import ImageSet
from labkit.stats.plan import read_plan
from labkit.stats.sweeps import accuracies, read_sweep, reference_sweep, sweep_table
from labkit.sweep.evidence import planned_jobs, ship_evidence, train_job
from labkit.sweep.jobs import TrainingJob, parse_seeds, sweep_runs, training_jobs


@pytest.mark.parametrize(
    ("text", "seeds"), [("0-3", [0, 1, 2, 3]), ("7", [7]), ("0-1, 5", [0, 1, 5]), ("2,1,2", [1, 2]), ("3-3", [3])]
)
def test_seeds(text: str, seeds: list[int]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    "text", ["", "a", "1-", "-1", "1--2", "5-3", "1.5", "0-99999", "99999999999", "4294967296", "²"]
)
def test_bad_seeds_are_one_line(text: str) -> None:
    with pytest.raises(LabError) as caught:
        parse_seeds(text)
    assert len(str(caught.value).splitlines()) == 1


def jobs_of(run_ids: Sequence[str], seeds: Sequence[int], **more: float) -> list[TrainingJob]:
    """Return tiny jobs: one epoch of 300 images."""
    settings = {name: [value] for name, value in more.items()}
    return training_jobs(run_ids, seeds, profile="quick", epochs=1, train_images=300, settings=settings)


def test_jobs_are_runs_by_seeds_by_settings() -> None:
    jobs = training_jobs(
        ["torch-baseline-5", "keras-baseline-5", "torch-baseline-5"],
        [0, 1],
        profile="full",
        settings={"learning_rate": [0.01, 0.1, 1e-2], "batch_size": [64]},  # what is given twice is done once
    )
    assert len(jobs) == len({job.name for job in jobs}) == 8
    assert [job.seed for job in jobs] == [0] * 4 + [1] * 4
    assert {job.momentum for job in jobs if job.run.startswith("torch")} == {0.5}
    assert {(job.plan.train_images, job.plan.epochs) for job in jobs} == {(60_000, 5)}


def test_a_name_depends_on_all_that_decides_the_result_and_on_nothing_else() -> None:
    (job,) = jobs_of(["torch-baseline-5"], [3])
    assert job.name.startswith("torch-baseline-5-")
    assert job.name.endswith("-seed-0003")
    others = [
        *jobs_of(["torch-baseline-5"], [4]),
        *jobs_of(["torch-leaky-relu-5"], [3]),
        *jobs_of(["torch-baseline-5"], [3], learning_rate=0.02),
        *training_jobs(["torch-baseline-5"], [3], profile="quick", epochs=2, train_images=300),
        *training_jobs(["torch-baseline-5"], [3], profile="quick", epochs=1, train_images=301),
        *training_jobs(["torch-baseline-5"], [3], profile="quick", epochs=1, train_images=300, threads=2),
    ]
    assert len({job.name, *(other.name for other in others)}) == 7
    (same,) = training_jobs(["torch-baseline-5"], [3], profile="full", epochs=1, train_images=300)
    assert same.name == job.name


def test_what_is_finished_is_skipped_and_what_is_lost_is_done_again(
    tmp_path: Path,
) -> None:
    jobs = jobs_of(["torch-baseline-5", "torch-leaky-relu-5"], [0, 1])
    first = sweep_runs(jobs, tmp_path, workers=0)
    assert (first.done, first.skipped, first.failures) == (4, 0, {})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(before) == 8
    weights = [result.weights_sha256 for result in read_sweep(tmp_path)]
    (tmp_path / f"{jobs[0].name}.npz").unlink()  # as when the power fails between the two files
    second = sweep_runs(jobs, tmp_path, workers=0)
    assert (second.done, second.skipped, second.failures) == (1, 3, {})
    assert [result.weights_sha256 for result in read_sweep(tmp_path)] == weights
    changed = {path.name for path in tmp_path.iterdir() if path.read_bytes() != before[path.name]}
    assert changed <= {f"{jobs[0].name}.json"}  # its seconds

    results = read_sweep(tmp_path)
    table = sweep_table(results)
    assert list(table["run"]) == ["torch-baseline-5"] * 2 + ["torch-leaky-relu-5"] * 2
    record = json.loads((tmp_path / f"{jobs[0].name}.json").read_text(encoding="utf-8"))
    assert record["test"]["accuracy"] == table["accuracy"].iloc[0] == results[0].test_accuracy[-1]
    assert record["train"]["total"] == 300
    assert results[0].predictions.dtype == np.uint8
    assert results[0].predictions.shape == (10_000,)

    assert list(accuracies(table, "torch-baseline-20", epochs=1).index) == [0, 1]
    assert accuracies(table, "keras-baseline-5").empty


def test_a_folder_of_the_evidence_is_a_sweep_with_predictions_after_earlier_epochs(
    tmp_path: Path, mnist: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = ImageSet(mnist.train_images[:256], mnist.train_labels[:256], mnist.test_images, mnist.test_labels)
    job = next(job for job in planned_jobs(read_plan()) if job.run == "torch-lenet-dropout-with-less-dropout-20")
    for seed in (0, 1):
        planned = replace(job, test_after=(1, 2), seed=seed)
        record, predictions = train_job(planned, few)
        save_arrays(tmp_path / f"{planned.name}.npz", **predictions)
        (tmp_path / f"{planned.name}.json").write_text(json.dumps(record.to_dict()), encoding="utf-8")
    results = read_sweep(tmp_path)
    ship_evidence(tmp_path, tmp_path / "reference" / "evidence")
    monkeypatch.setattr("labkit.stats.sweeps.evidence_dir", lambda: tmp_path / "reference" / "evidence")
    for first, again in zip(results, reference_sweep(), strict=True):
        for epoch, accuracy in enumerate(first.test_accuracy, 1):
            predicted = first.predictions_by_epoch[epoch]
            assert (predicted == mnist.test_labels).mean() == accuracy
            assert np.array_equal(again.predictions_by_epoch[epoch], predicted)
        assert 3 not in first.predictions_by_epoch
    assert list(accuracies(sweep_table(results), job.run, epochs=1).index) == [0, 1]


def test_seeds_trained_together_are_jobs_of_their_own(tmp_path: Path) -> None:
    runs = ["torch-baseline-5", "keras-baseline-5"]
    jobs = training_jobs(runs, [0, 1, 2], profile="quick", epochs=1, train_images=300, replicas=2)
    assert [job.together for job in jobs if job.run == runs[0]] == [(0, 1), (0, 1), (2,)]
    assert [job.together for job in jobs if job.run == runs[1]] == [(), (), ()]
    assert jobs[0].name != jobs_of(runs, [0])[0].name
    torch_jobs = [job for job in jobs if job.run == runs[0]]
    assert sweep_runs(torch_jobs, tmp_path, workers=0).done == 3
    assert sweep_runs(torch_jobs, tmp_path, workers=0).skipped == 3
    before = [result.weights_sha256 for result in read_sweep(tmp_path)]
    assert len(set(before)) == 3
    (tmp_path / f"{torch_jobs[1].name}.json").unlink()  # the group is trained again as a whole
    again = sweep_runs(torch_jobs, tmp_path, workers=0)
    assert (again.done, again.skipped) == (2, 1)
    assert [result.weights_sha256 for result in read_sweep(tmp_path)] == before


def test_several_settings_are_not_mixed(tmp_path: Path) -> None:
    jobs = [*jobs_of(["torch-baseline-5"], [0]), *jobs_of(["torch-baseline-5"], [1], learning_rate=0.05)]
    assert sweep_runs(jobs, tmp_path, workers=0).done == 2
    with pytest.raises(LabError, match="several settings"):
        accuracies(sweep_table(read_sweep(tmp_path)), "torch-baseline-5", epochs=1)


def test_a_job_that_fails_is_named_and_the_others_are_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--profile", "quick", "--epochs", "1", "--train-images", "300"]
    rates = ["-p", "learning_rate", "1e30", "-p", "learning_rate", "0.01"]
    arguments = ["sweep", "torch-baseline-5", "--seeds", "0", *sizes, *rates, "--workers", "0", "--out", str(tmp_path)]
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    printed = capsys.readouterr()
    assert stopped.value.code == 1
    assert printed.err == ""
    assert "torch-baseline-5: 300 images, 1 epoch (quick)" in printed.out
    assert "failed   torch-baseline-5-" in printed.out
    assert "sweep: 1 done, 0 done earlier, 1 failed" in printed.out
    assert len(list(tmp_path.glob("*.json"))) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["torch-baseline-6"],
        ["torch-baseline-5", "--seeds", "9-0"],
        ["torch-baseline-5", "-p", "momentum", "0.9"],
        ["torch-baseline-5", "-p", "batch_size", "0"],
        ["torch-baseline-5", "--train-images", "60001"],
        ["torch-baseline-5", "--scheduler", "nonsense"],
        ["torch-baseline-5", "--scheduler", "tcp://127.0.0.1:9"],
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("labkit.sweep.cluster.CONNECT_S", 1)  # for the address where nobody answers
    with pytest.raises(SystemExit) as stopped:
        main(["sweep", *arguments, "--profile", "quick", "--out", str(tmp_path)])
    assert stopped.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"run": "torch-baseline-5"}', b"\xff"])
def test_a_damaged_job_is_one_line(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "torch-baseline-5-00000000-seed-0000.json").write_bytes(damage)
    with pytest.raises(LabError):
        read_sweep(tmp_path)


def test_no_shipped_sweep_is_an_empty_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labkit.stats.sweeps.evidence_dir", lambda: tmp_path / "evidence")
    assert reference_sweep() == []
    assert sweep_table([]).empty
