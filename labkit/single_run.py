"""Train one run of the registry outside a notebook: what `labkit train` does."""

from pathlib import Path
from typing import Any

from labkit.data import load_mnist
from labkit.profiles import make_plan
from labkit.results import Record, device_name, make_record, save_record
from labkit.runs import Run


def train_run(
    run: Run,
    *,
    profile: str = "auto",
    epochs: int | None = None,
    seed: int | None = None,
    out: Path = Path(),
    resume: bool = False,
) -> Record:
    """Train a run, save `out/models/<model file>` and `out/results/<run>.json`, print the test result.

    Parameters
    ----------
    run : Run
    profile : {"auto", "quick", "full"}
    epochs, seed : int, optional
        Instead of the profile's epochs and the run's seed.
    out : Path
    resume : bool
        Go on from the last finished epoch of a run that was cut off.

    Returns
    -------
    Record
        As stored, with the history.

    Raises
    ------
    LabError
        See `fit`.
    """
    plan = make_plan(profile, run.epochs, epochs)
    used_seed = run.seed if seed is None else seed
    data = plan.images(load_mnist())
    print(f"{run.id}: {plan}, seed {used_seed}")
    settings: dict[str, Any] = {
        "epochs": plan.epochs,
        "learning_rate": run.optimizer.learning_rate,
        "momentum": run.optimizer.momentum,
        "batch_size": run.batch_size,
        "seed": used_seed,
        "state_dir": out / "states",
        "resume": resume,
    }
    path = out / "models" / run.model_file
    if run.framework == "keras":
        from labkit import keras_models, keras_networks, keras_training

        network = keras_networks.build(run.network, run.activation, used_seed)
        history = keras_training.fit(network, data, **settings)
        keras_models.save_model(network, path)
        test = keras_training.evaluate(network, data.test_images, data.test_labels)
        weights, params = keras_training.weights_sha256(network), keras_networks.count_params(network)
    else:
        from labkit import torch_models, torch_networks, torch_training

        network = torch_networks.build(run.network, run.activation, used_seed)
        history = torch_training.fit(network, data, **settings)
        torch_models.save_model(network, path, run.network, run.activation)
        test = torch_training.evaluate(network, data.test_images, data.test_labels)
        weights, params = torch_training.weights_sha256(network), torch_networks.count_params(network)
    record = make_record(run.id, plan, used_seed, params, test, history, weights, device=device_name())
    save_record(record, out, test.probabilities)
    print(test)
    print(f"saved {path}")
    return record
