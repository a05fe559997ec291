"""Train every Keras network three times in a process of its own, and print what came of it as JSON.

python tests/gpu/keras_child.py STATES: TensorFlow starts the GPU here, away from the PyTorch of the tests.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from labkit.data.mnist import ImageSet, load_mnist
from labkit.keras.networks import NETWORKS, build
from labkit.keras.quiet_tensorflow import tf
from labkit.keras.training import fit
from labkit.keras.weights import weights_sha256

GPU_IMAGES, CPU_IMAGES = 20_000, 1_500


def run(name: str, data: ImageSet, **settings: Any) -> dict[str, Any]:
    """Train a network from seed 1 and return its sum and its losses."""
    network = build(name, "relu", seed=1)
    history = fit(network, data, learning_rate=0.05, seed=1, progress=False, **settings)
    return {"weights_sha256": weights_sha256(network), "losses": [e.train_loss for e in history.epochs]}


def main(states: Path) -> None:
    """Train in one go, again, and with a cut after the first epoch."""
    has_gpu = bool(tf.config.list_physical_devices("GPU"))
    data = load_mnist().first(GPU_IMAGES if has_gpu else CPU_IMAGES)
    data = replace(data, test_images=data.test_images[:1000], test_labels=data.test_labels[:1000])
    answer: dict[str, Any] = {"gpu": has_gpu, "networks": {}}
    for name in NETWORKS:
        in_one_go, again = (run(name, data, epochs=2) for _ in range(2))
        run(name, data, epochs=1, state_dir=states / name)
        resumed = run(name, data, epochs=2, state_dir=states / name, resume=True)
        answer["networks"][name] = {"in one go": in_one_go, "again": again, "resumed": resumed}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
