"""What every notebook needs around its lesson: plan, folders, figures, records. The lesson stays in the notebook."""

import os
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from IPython.core.getipython import get_ipython
from IPython.display import Image, display
from matplotlib.figure import Figure

from labkit.data import MNIST, ImageSet, load_idx, load_mnist
from labkit.errors import unknown
from labkit.history import Evaluation, History
from labkit.parameters import PARAMETERS, check_parameters
from labkit.paths import reference_dir
from labkit.plotting import DPI, png
from labkit.profiles import Plan, has_gpu, make_plan
from labkit.progress import somebody_watches
from labkit.results import (
    Record,
    dataset_of,
    device_name,
    format_table,
    load_records,
    make_record,
    reference_records,
    reference_times,
    results_table,
    save_record,
    test_summary,
    thread_counts,
)

OUT_VARIABLE = "LABKIT_OUT"


class Lab:
    """The bench of one notebook: knows its parameters, its plan and where its results go.

    Parameters
    ----------
    name : str
        The notebook's file name without its ending: `01_keras_baseline`.
    **parameters
        The notebook's parameters, by name: `seed=seed, profile=profile, ...`.

    Raises
    ------
    LabError
        A parameter has a wrong type or value, or papermill was given one that the notebook does not have.
    """

    def __init__(self, name: str, **parameters: Any) -> None:
        check_parameters(parameters, PARAMETERS)
        _refuse_stray_parameters(parameters)
        self.name = name
        self.parameters = parameters
        self.out = Path(os.environ.get(OUT_VARIABLE) or parameters.get("out", "lab_output"))
        self.quick_runs = 0.0  # what is planned, counted in runs of the quick profile

    @property
    def dataset(self) -> str:
        """`mnist`, or the folder of another data set."""
        return str(self.parameters.get("dataset", MNIST))

    @property
    def state_dir(self) -> Path:
        """The folder of training states, for `fit(..., state_dir=...)`."""
        return self.out / "states"

    def load_data(self) -> ImageSet:
        """Load the data set that the notebook's parameter `dataset` names, MNIST by default, and print its size.

        Raises
        ------
        LabError
            The folder does not hold the four IDX files, or they are damaged.
        """
        data = self._data
        name = "MNIST" if self.dataset == MNIST else Path(self.dataset).name
        print(f"{name}: {len(data.train_images):,} training and {len(data.test_images):,} test images")
        if self.dataset != MNIST:
            print("published and reference results are those of MNIST: they say nothing about this data set")
        return data

    @cached_property
    def _data(self) -> ImageSet:
        return load_mnist() if self.dataset == MNIST else load_idx(self.dataset)

    def plan(self, epochs: int) -> Plan:
        """Decide what a run of so many epochs will really do in this profile, and print it.

        Parameters
        ----------
        epochs : int
            The epochs of the full run; the parameter `epochs`, where it is not None, overrides it.
        """
        plan = make_plan(self.parameters.get("profile", "auto"), epochs, self.parameters.get("epochs"))
        if self.dataset != MNIST:
            plan = replace(plan, train_images=min(plan.train_images, len(self._data.train_images)))
        quick = make_plan("quick", epochs)
        work = plan.train_images * plan.epochs / (quick.train_images * quick.epochs)
        self.quick_runs = max(self.quick_runs, work)
        print(f"plan: {plan}")
        return plan

    def say_where(self) -> None:
        """Print what this notebook will compute on, and how long it takes: after the last call of `plan`.

        The time is that of a quick run on the computer of the reference run, times the work that is planned.
        """
        print(f"device: {device_name()}")
        measured = reference_times()
        if self.name not in measured:
            return
        minutes = measured[self.name] * (self.quick_runs or 1) / 60
        took = "less than a minute" if minutes < 1 else f"about {minutes:.0f} minutes"
        print(f"time: {took} on 2 CPU cores" + ("; a GPU needs less" if has_gpu() else ""))

    def model_path(self, file_name: str) -> Path:
        """Return where a model of this run is saved."""
        return self.out / "models" / file_name

    def reference_model(self, file_name: str) -> Path:
        """Return the shipped model of the reference run: trained in full, for those who do not train."""
        return reference_dir() / "models" / file_name

    def record(
        self,
        run_id: str,
        plan: Plan,
        params: tuple[int, int],
        test: Evaluation,
        history: History,
        weights_sha256: str,
        reference: Evaluation | None = None,
        **more: Any,
    ) -> Record:
        """Store the result of a run under `out`, for the summary and the report.

        Parameters
        ----------
        run_id : str
            An id of the registry, or a name of its own for an experiment beyond the report.
        plan, params, test, history, weights_sha256
            As `results.make_record` takes them.
        reference : Evaluation, optional
            The shipped reference model, evaluated here and now.
        **more
            Further JSON-able entries.
        """
        settings = {k: v for k, v in self.parameters.items() if k in ("learning_rate", "batch_size")}
        if self.dataset != MNIST:
            settings["dataset"] = Path(self.dataset).name
        seed = self.parameters.get("seed", 1)
        more = {"notebook": self.name, **settings, "device": device_name(), "threads": thread_counts(), **more}
        if reference is not None:
            more["reference"] = test_summary(reference)
        record = make_record(run_id, plan, seed, params, test, history, weights_sha256, **more)
        save_record(record, self.out, test.probabilities)
        return record

    def own_record(self, run_id: str, plan: Plan) -> Record | None:
        """Return the record that another notebook left under `out` for a run, or None where there is none.

        Only one that can be compared: made with the same plan and with this notebook's parameters.

        Parameters
        ----------
        run_id : str
        plan : Plan
        """
        record = load_records(self.out).get(run_id)
        wanted = {"profile": plan.profile, "train_images": plan.train_images, "epochs": plan.epochs}
        wanted |= {k: v for k, v in self.parameters.items() if k in ("seed", "learning_rate", "batch_size")}
        if record is None or any(record.get(k) != v for k, v in wanted.items()):
            return None
        return record if dataset_of(record) == Path(self.dataset).name else None

    def table(self, *run_ids: str) -> pd.DataFrame:
        """Return the comparison "published / reference / this run" for some runs, as texts to show."""
        table = results_table(load_records(self.out), run_ids)
        if not reference_records():
            table = table.drop(columns=[c for c in table.columns if c.startswith("reference")])
        return format_table(table)

    def draw(self, *models: Any) -> None:
        """Show the widget to draw a digit on, where somebody is there to draw.

        Parameters
        ----------
        *models
            As `draw.draw` takes them: model files, or a name with the probe of a network.
        """
        if somebody_watches():
            from labkit.draw import draw

            display(draw(*models))
        else:
            print("Open this notebook in JupyterLab, VS Code, Colab or Kaggle to draw; a report has it as draw.html.")

    def show(self, figure: Figure, name: str, alt: str) -> None:
        """Show a figure with its alternative text, and save it under `out/figures/`.

        Parameters
        ----------
        figure : Figure
        name : str
            Says what is shown: the file is `<notebook number>_<name>.png`.
        alt : str
            Says in words what a reader who cannot see the figure should know.
        """
        number = self.name.split("_", 1)[0]
        data = png(figure, self.out / "figures" / f"{number}_{name}.png")
        plt.close(figure)
        width = int.from_bytes(data[16:20], "big")  # of the PNG, in its header
        # not alt=: IPython 7, which Colab ships, does not know it
        display(Image(data=data, width=round(width * 100 / DPI), metadata={"alt": alt}))


def _refuse_stray_parameters(known: dict[str, Any]) -> None:
    """Refuse a parameter that papermill injected and the notebook does not have: papermill only warns."""
    shell = get_ipython()
    if shell is None:
        return
    for source in shell.user_ns.get("In", []):
        if source.startswith("# Parameters\n"):  # papermill's injected cell
            injected = [line.split(" = ", 1)[0] for line in source.splitlines()[1:] if " = " in line]
            for name in injected:
                if name.isidentifier() and name not in known:
                    raise unknown("parameter", name, known)
