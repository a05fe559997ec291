"""The ladder to 99%: one change per rung, and a training that does what its settings say."""

import itertools
import json
import statistics
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from labkit.base.errors import LabError  # noqa: E402
from labkit.base.paths import reference_dir  # noqa: E402
from labkit.data.mnist import ImageSet  # noqa: E402
from labkit.stats import epochs_table, ladder_table, leave_one_out_table  # noqa: E402
from labkit.torch.ladder import GOALS, RUNGS, Settings, accuracy, build_small, ladder, train_fast, warp, without_one  # noqa: E402
from labkit.torch.networks import LeNetDropout  # noqa: E402
from labkit.torch.weights import weights_sha256  # noqa: E402


def changed(one: Settings, other: Settings) -> set[str]:
    return {name for name, value in asdict(one).items() if value != asdict(other)[name]}


def test_each_rung_changes_one_thing() -> None:
    rungs = list(ladder().values())
    assert rungs[0] == Settings()
    assert [len(changed(below, above)) for below, above in itertools.pairwise(rungs)] == [1] * 14


def test_leaving_one_out_takes_back_that_change_alone() -> None:
    top = list(ladder().values())[-1]
    left_out = without_one()
    assert list(left_out)[2:4] == ["with dropout", "without more feature maps"]
    for (name, change), settings in zip(list(RUNGS.items())[1:], left_out.values(), strict=True):
        assert changed(top, settings) == set(change), name


# One that loads, one in each memory layout, one with a schedule, one that warps
@pytest.mark.parametrize("name", ["plain loop", "channels-last", "one-cycle schedule", "99.5%"])
def test_a_rung_trains(name: str, mnist: ImageSet) -> None:
    settings = replace((ladder() | GOALS)[name], epochs=2)
    network, seconds = train_fast(mnist.first(512), settings, seed=1, device="cpu")
    assert seconds > 0
    torch.manual_seed(1)
    for (part, trained), fresh in zip(network.named_parameters(), build_small(settings).parameters(), strict=True):
        assert trained.isfinite().all(), part
        assert trained.ndim == 1 or not torch.equal(trained, fresh), part  # a bias before a batch norm may stay


def test_the_top_rung_learns_and_repeats_itself(mnist: ImageSet) -> None:
    top = list(ladder().values())[-1]
    one, again = (train_fast(mnist.first(6000), top, seed=1, device="cpu")[0] for _ in range(2))
    other = train_fast(mnist.first(6000), top, seed=2, device="cpu")[0]
    assert weights_sha256(one) == weights_sha256(again) != weights_sha256(other)
    assert accuracy(one, mnist.test_images[:2000], mnist.test_labels[:2000], top) > 0.93


def test_the_number_of_steps_follows_epochs_and_batch_size(mnist: ImageSet) -> None:
    seen: list[int] = []
    settings = replace(list(ladder().values())[-1], epochs=1.5, batch_size=30)
    hook = torch.nn.modules.module.register_module_forward_hook(
        lambda module, inputs, _: seen.append(len(inputs[0])) if isinstance(module, torch.nn.LogSoftmax) else None
    )
    with hook:
        train_fast(mnist.first(250), settings, seed=1, device="cpu")
    assert seen == [*[30] * 8, 10, *[30] * 5]  # 1.5 epochs of nine batches are 13.5 steps, rounded to an even number


def test_the_plain_network_is_that_of_the_report() -> None:
    outputs = []
    builders: list[Callable[[], Any]] = [lambda: build_small(Settings()), LeNetDropout]
    for build in builders:
        torch.manual_seed(1)
        outputs.append(build()(torch.ones(3, 1, 28, 28)))  # in training mode, where dropout shows as well
    assert torch.equal(outputs[0], outputs[1])


def test_every_network_of_the_ladder_fits_its_images() -> None:
    for settings in (ladder() | without_one() | GOALS).values():
        side = 24 if settings.crop else 28
        assert build_small(settings)(torch.zeros(2, 1, side, side)).shape == (2, 10)


def test_a_warp_by_nothing_is_the_inner_part() -> None:
    images = torch.rand(3, 1, 28, 28)
    torch.testing.assert_close(warp(images, 24, degrees=0, pixels=0), images[:, :, 2:-2, 2:-2], atol=1e-5, rtol=0)


def test_a_warp_gives_each_image_its_own_shift() -> None:
    torch.manual_seed(1)
    warped = warp(torch.ones(1, 1, 28, 28).repeat(4, 1, 1, 1) * torch.arange(28.0), 24, degrees=0, pixels=1.5)
    columns = warped[:, 0, 0, 0]
    assert len(set(np.round(columns.tolist(), 4))) == 4
    assert ((columns > 0.5 - 1e-4) & (columns < 3.5 + 1e-4)).all()


def test_the_tables_show_what_was_measured() -> None:
    measured = json.loads((reference_dir() / "ladder.json").read_text(encoding="utf-8"))
    rungs, left_out = ladder_table(), leave_one_out_table()
    assert list(rungs.index) == list(ladder())
    assert list(left_out.index) == ["all of them", *without_one()]
    plain = measured["rungs"]["plain loop"]
    row = rungs.loc["plain loop"]
    assert row["accuracy (%)"] == pytest.approx(100 * statistics.mean(plain["accuracies"]))
    assert row["seconds, deviation"] == pytest.approx(statistics.stdev(plain["seconds"]))
    assert (left_out.loc["all of them"] == rungs.iloc[-1]).all()


def test_the_rule_takes_two_standard_errors_off(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = [{"epochs": 1, "accuracies": [0.991, 0.989]}, {"epochs": 2, "accuracies": [0.992, 0.992]}]
    monkeypatch.setattr("labkit.stats.ladder_tables.measured_ladder", lambda: {"candidates": {"99.0%": tried}})
    table = epochs_table("99.0%")
    assert list(table["reaches"]) == [False, True]  # the mean of the first is 99.0, and 0.1 its standard error
    assert table.loc[1, "standard error"] == pytest.approx(0.1)


def test_an_unknown_goal_is_one_line() -> None:
    with pytest.raises(LabError, match=r"did you mean '99.5%'"):
        epochs_table("99.6%")
