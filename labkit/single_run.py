"""Train one run of the registry outside a notebook: what `labkit train` does."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labkit.data import ImageSet, load_mnist
from labkit.errors import LabError
from labkit.parameters import PARAMETERS, check_parameters
from labkit.profiles import make_plan
from labkit.results import Record, device_name, make_record, save_record, thread_counts
from labkit.runs import Run
from labkit.state import hash_arrays
from labkit.training import Recipe, StateKeeper


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
        As stored, with the history. After Ctrl-C it holds the epochs that were finished, and
        `planned_epochs`.

    Raises
    ------
    LabError
        A setting is not valid, `out` cannot be written; see `fit` for the rest.
    """
    used_seed = run.seed if seed is None else seed
    check_parameters({"profile": profile, "epochs": epochs, "seed": used_seed}, PARAMETERS)
    if run.framework == "keras":
        # now: the profile `auto` then asks TensorFlow for a GPU, and does not import PyTorch for it
        from labkit import keras_models, keras_networks, keras_training
    plan = make_plan(profile, run.epochs, epochs)
    try:
        (out / "models").mkdir(parents=True, exist_ok=True)  # told now, not after an hour of training
    except OSError as problem:
        raise LabError(f"{out}: the folder cannot be written: {problem.strerror or problem}") from None
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
        network = keras_networks.build(run.network, run.activation, used_seed)
        _say_when_nothing_to_resume(settings, data, keras_training.describe(network))
        history = keras_training.fit(network, data, **settings)
        keras_models.save_model(network, path)
        test = keras_training.evaluate(network, data.test_images, data.test_labels)
        weights, params = keras_training.weights_sha256(network), keras_networks.count_params(network)
    else:
        from labkit import torch_models, torch_networks, torch_training

        network = torch_networks.build(run.network, run.activation, used_seed)
        _say_when_nothing_to_resume(settings, data, torch_training.describe(network))
        history = torch_training.fit(network, data, **settings)
        torch_models.save_model(network, path)
        test = torch_training.evaluate(network, data.test_images, data.test_labels)
        weights, params = torch_training.weights_sha256(network), torch_networks.count_params(network)
    more = {"device": device_name(), "threads": thread_counts()}
    record = make_record(run.id, plan, used_seed, params, test, history, weights, **more)
    save_record(record, out, test.probabilities)
    print(test)
    print(f"saved {path}")
    if "planned_epochs" in record:
        print(f"{record['epochs']} of {plan.epochs} epochs are in it: `labkit train {run.id} --resume` goes on")
    return record


def _say_when_nothing_to_resume(settings: Mapping[str, Any], data: ImageSet, architecture: str) -> None:
    if not settings["resume"]:
        return
    recipe = Recipe(
        settings["learning_rate"],
        settings["momentum"],
        settings["batch_size"],
        settings["seed"],
        len(data.train_images),
        hash_arrays([data.train_images, data.train_labels]),
    )
    keeper = StateKeeper(settings["state_dir"], recipe, architecture, resume=True)
    if keeper.newest(settings["epochs"]) is None:
        print("no saved state of this run to go on from: training starts at epoch 1")
