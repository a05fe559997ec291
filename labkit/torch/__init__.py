"""PyTorch: the networks of the report, training and testing, saving and loading, a look inside; many seeds at once."""

from labkit.base.memory import keep_freed_memory
from labkit.runs.keras_weights import keras_probabilities, read_keras_layers
from labkit.torch.device import pick_device, set_seed, threads
from labkit.torch.evaluation import evaluate, normalise
from labkit.torch.ladder import GOALS, train_fast
from labkit.torch.log import log_lines
from labkit.torch.many import fit_many
from labkit.torch.networks import LeNetDropout, build, count_params
from labkit.torch.probe import probe
from labkit.torch.saving import load_model, save_model
from labkit.torch.speed import LikeTorchvision, flops_of_batch
from labkit.torch.training import fit, train_epoch
from labkit.torch.weights import weights_sha256

__all__ = [
    "GOALS",
    "LeNetDropout",
    "LikeTorchvision",
    "build",
    "count_params",
    "evaluate",
    "fit",
    "fit_many",
    "flops_of_batch",
    "keep_freed_memory",
    "keras_probabilities",
    "load_model",
    "log_lines",
    "normalise",
    "pick_device",
    "probe",
    "read_keras_layers",
    "save_model",
    "set_seed",
    "threads",
    "train_epoch",
    "train_fast",
    "weights_sha256",
]
