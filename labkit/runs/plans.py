"""Profiles: how much of a run is carried out, and how that is said."""

import os
import sys
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec

from labkit.base.errors import unknown
from labkit.data.mnist import ImageSet

PROFILES = ("auto", "quick", "full")
ENVIRONMENT_VARIABLE = "LABKIT_PROFILE"

FULL_TRAIN_IMAGES = 60_000
QUICK_TRAIN_IMAGES = 15_000
# Batch normalisation keeps 99% of its old statistics at each step in Keras: after fewer than about 450 steps
# of 128 images the network is tested with statistics of what it was long ago, and fails.
QUICK_EPOCHS_SHORT = 4
QUICK_EPOCHS_LONG = 5
SHORT_RUN_EPOCHS = 5


@dataclass(frozen=True)
class Plan:
    """What a run will really do: printed before it starts, stored with its result.

    The training images are taken from the front of the set.
    """

    profile: str
    train_images: int
    epochs: int

    def __str__(self) -> str:
        epochs = "1 epoch" if self.epochs == 1 else f"{self.epochs} epochs"
        return f"{self.train_images:,} images, {epochs} ({self.profile})"

    def images(self, data: ImageSet) -> ImageSet:
        """Return the images of `data` that this plan trains on."""
        return data.first(self.train_images)


def make_plan(
    profile: str, epochs: int, exact_epochs: int | None = None, exact_train_images: int | None = None
) -> Plan:
    """Decide how many images and epochs a run gets.

    Parameters
    ----------
    profile : {"auto", "quick", "full"}
        `full` is the whole training set and the run's own epochs; `quick` a CPU-sized run on the first
        15,000 real images, 4 epochs for a run of up to 5 and 5 for a longer one. `auto` is what the
        environment variable LABKIT_PROFILE says, and without it full on a GPU and quick otherwise.
    epochs : int
        The epochs of the full run.
    exact_epochs : int, optional
        Epochs that the user asked for by number: used as they are, in either profile.
    exact_train_images : int, optional
        The same for training images.

    Returns
    -------
    Plan

    Raises
    ------
    LabError
        The profile is unknown.
    """
    if resolve_profile(profile) == "full":
        return Plan("full", exact_train_images or FULL_TRAIN_IMAGES, exact_epochs or epochs)
    short = QUICK_EPOCHS_SHORT if epochs <= SHORT_RUN_EPOCHS else QUICK_EPOCHS_LONG
    return Plan("quick", exact_train_images or QUICK_TRAIN_IMAGES, exact_epochs or min(short, epochs))


def resolve_profile(profile: str) -> str:
    """Return `quick` or `full` for a profile that may be `auto`.

    Raises
    ------
    LabError
        The profile, or what LABKIT_PROFILE holds, is unknown.
    """
    if profile not in PROFILES:
        raise unknown("profile", profile, PROFILES)
    if profile != "auto":
        return profile
    wanted = os.environ.get(ENVIRONMENT_VARIABLE) or "auto"
    if wanted not in PROFILES:
        raise unknown(f"profile in {ENVIRONMENT_VARIABLE}", wanted, PROFILES)
    if wanted != "auto":
        return wanted
    return "full" if has_gpu() else "quick"


def has_gpu() -> bool:
    """Tell whether the framework in use sees a GPU (CUDA, or Apple's MPS).

    TensorFlow is asked where it has been imported, PyTorch otherwise: PyTorch's CUDA must not start up
    after TensorFlow's.
    """
    if "tensorflow" in sys.modules:
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))
    if find_spec("torch") is None:
        return False
    import torch  # 2 s: only when nobody has decided the profile

    return cuda_works() or torch.backends.mps.is_available()


@cache
def cuda_works() -> bool:
    """Tell whether PyTorch has a CUDA GPU that it can compute on; say so where it has one that it cannot."""
    import torch

    if not torch.cuda.is_available():
        return False
    try:
        torch.ones(1, device="cuda").item()
    except RuntimeError:
        print(f"{torch.cuda.get_device_name()}: this PyTorch has no kernels for this GPU; computing on the CPU")
        return False
    return True
