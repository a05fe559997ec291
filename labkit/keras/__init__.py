"""Keras: the networks of the report, training and testing, saving and loading, a look inside."""

from labkit.keras.device import threads
from labkit.keras.evaluation import evaluate, normalise
from labkit.keras.networks import build, count_params
from labkit.keras.probe import probe
from labkit.keras.saving import load_model, save_model
from labkit.keras.training import compile_step, fit, set_seed, train_epoch
from labkit.keras.weights import weights_sha256

__all__ = [
    "build",
    "compile_step",
    "count_params",
    "evaluate",
    "fit",
    "load_model",
    "normalise",
    "probe",
    "save_model",
    "set_seed",
    "threads",
    "train_epoch",
    "weights_sha256",
]
