"""Profiles: what `auto` means, how much is run, how it is said."""

import sys
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import labkit.runs.plans
from labkit.base.errors import LabError
from labkit.data.mnist import ImageSet
from labkit.runs.plans import (
    QUICK_EPOCHS_LONG,
    QUICK_EPOCHS_SHORT,
    QUICK_TRAIN_IMAGES,
    Plan,
    make_plan,
    resolve_profile,
)
from labkit.torch.device import pick_device


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Pretend that there is a GPU, or none."""
    monkeypatch.setattr(labkit.runs.plans, "has_gpu", lambda: request.param)


@pytest.mark.parametrize(("gpu", "settled"), [(True, "full"), (False, "quick")], indirect=["gpu"])
def test_auto_is_full_on_a_gpu_and_quick_without(gpu: None, settled: str) -> None:
    assert resolve_profile("auto") == settled


@pytest.mark.parametrize("gpu", [True, False], indirect=True)
@pytest.mark.parametrize("wanted", ["quick", "full"])
def test_the_environment_decides_what_auto_means(gpu: None, wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABKIT_PROFILE", wanted)
    assert resolve_profile("auto") == wanted


@pytest.mark.parametrize("gpu", [True], indirect=True)
@pytest.mark.parametrize("nothing", ["", "auto"])
def test_an_empty_variable_and_auto_decide_nothing(gpu: None, nothing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABKIT_PROFILE", nothing)
    assert resolve_profile("auto") == "full"


def test_the_environment_does_not_touch_a_profile_that_was_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABKIT_PROFILE", "full")
    assert resolve_profile("quick") == "quick"


def test_unknown_profiles_are_refused_wherever_they_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LabError, match="unknown profile 'quik': valid are auto, quick, full; did you mean 'quick'"):
        make_plan("quik", 5)
    monkeypatch.setenv("LABKIT_PROFILE", "fulll")
    with pytest.raises(LabError, match=r"unknown profile in LABKIT_PROFILE 'fulll': .*did you mean 'full'"):
        make_plan("auto", 5)


@pytest.mark.parametrize(
    ("profile", "epochs", "exact", "plan"),
    [
        ("full", 5, None, Plan("full", 60_000, 5)),
        ("full", 20, None, Plan("full", 60_000, 20)),
        ("full", 5, 40, Plan("full", 60_000, 40)),
        ("quick", 5, None, Plan("quick", QUICK_TRAIN_IMAGES, QUICK_EPOCHS_SHORT)),
        ("quick", 20, None, Plan("quick", QUICK_TRAIN_IMAGES, QUICK_EPOCHS_LONG)),
        ("quick", 1, None, Plan("quick", QUICK_TRAIN_IMAGES, 1)),
        ("quick", 20, 7, Plan("quick", QUICK_TRAIN_IMAGES, 7)),
    ],
)
def test_images_and_epochs_of_a_plan(profile: str, epochs: int, exact: int | None, plan: Plan) -> None:
    assert make_plan(profile, epochs, exact) == plan


def test_a_plan_says_its_images_its_epochs_and_its_profile() -> None:
    assert str(Plan("quick", 6_000, 2)) == "6,000 images, 2 epochs (quick)"
    assert str(Plan("full", 60_000, 1)) == "60,000 images, 1 epoch (full)"


@given(st.sampled_from(["quick", "full"]), st.integers(1, 999), st.none() | st.integers(1, 999))
def test_epochs_asked_for_are_run_and_quick_is_never_more_than_full(
    profile: str, epochs: int, exact: int | None
) -> None:
    plan = make_plan(profile, epochs, exact)
    assert plan.profile == profile
    assert plan.epochs == exact if exact else 1 <= plan.epochs <= epochs


def test_a_plan_cuts_the_training_images(small: ImageSet) -> None:
    cut = Plan("quick", 100, 1).images(small)
    assert len(cut.train_images) == len(cut.train_labels) == 100
    assert len(cut.test_images) == len(small.test_images)


@pytest.fixture
def gpu_without_kernels(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Pretend that there is a GPU for which this PyTorch was not built, as on Kaggle's P100."""

    def no_kernel(*_: Any, device: str) -> None:
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device")

    labkit.runs.plans.cuda_works.cache_clear()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Tesla P100-PCIE-16GB")
    monkeypatch.setattr(torch, "ones", no_kernel)
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)  # else TensorFlow is asked
    yield
    labkit.runs.plans.cuda_works.cache_clear()


def test_a_gpu_without_kernels_is_left_alone_and_named_once(
    gpu_without_kernels: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert resolve_profile("auto") == "quick"
    assert pick_device() == torch.device("cpu")
    assert capsys.readouterr().out == (
        "Tesla P100-PCIE-16GB: this PyTorch has no kernels for this GPU; computing on the CPU\n"
    )
