"""Import TensorFlow and Keras, quietly and with settings that suit a lab.

TensorFlow writes lines about missing GPU libraries to stderr, from C++ and before any Python setting is
read: the file descriptor itself is turned away while TensorFlow starts. Take `keras` and `tf` from here.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow reads it once, at its import


@contextmanager
def _silent_stderr() -> Iterator[None]:
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _prepare() -> None:
    """Let TensorFlow take GPU memory as it needs it, compute the same thing twice, say nothing, and start up."""
    for gpu in tf.config.list_physical_devices("GPU"):
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except RuntimeError:
            print("TensorFlow was in use before labkit: it keeps the GPU memory that it has already taken")
    tf.config.experimental.enable_op_determinism()
    tf.zeros(())  # starts the devices, with whatever they have to say


def suit_rewriting(network: "keras.Model") -> None:
    """Let TensorFlow put convolution, bias and ReLU into one operation; not where the network has a Leaky ReLU.

    To be called before a function of the network runs for the first time. With Leaky ReLU this rewriting of the graph
    ("remapping") fails in TensorFlow 2.18 to 2.20, and says so in red in the middle of a training. The weights are
    bitwise the same with and without it.
    """
    leaky = any(isinstance(layer, keras.layers.LeakyReLU) for layer in network.layers)
    tf.config.optimizer.set_experimental_options({"remapping": not leaky})


with _silent_stderr():
    import keras as keras
    import tensorflow

    tf = tensorflow

    _prepare()
