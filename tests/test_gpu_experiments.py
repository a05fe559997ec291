"""The command of the six GPU experiments, on whatever device there is."""

import json
from pathlib import Path

import pytest
from gpu import experiments

pytestmark = pytest.mark.slow


def test_every_experiment_writes_what_it_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(plan: experiments.Plan) -> dict[str, object]:
        raise RuntimeError("no such kernel")

    measured = (experiments.training, experiments.layouts, fails, experiments.graphs, experiments.replicas)
    monkeypatch.setattr(experiments, "EXPERIMENTS", measured)
    experiments.main([str(tmp_path / "gpu.json"), "--small"])
    found = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))
    assert list(found) == ["device", "torch", "training", "layouts", "fails", "graphs", "replicas"]
    for network in experiments.NETWORKS:
        assert found["training"]["result"][network]["same_twice"]
        assert found["training"]["result"][network]["resumed_the_same"]
    assert "no such kernel" in found["fails"]["result"]["failed"]
    assert set(found["replicas"]["result"]) == {"lenet-dropout, 1", "lenet-dropout, 2", "deep-bn, 1", "deep-bn, 2"}
