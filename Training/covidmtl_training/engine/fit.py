"""A training run: a network, the cases of a store and a recipe, on one device or many."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
import yaml
from COVIDMTLLib.models.feature_scaling import make_scaling
from COVIDMTLLib.networks import initialise
from COVIDMTLLib.utils.atomic_files import staged_file, sweep
from COVIDMTLLib.utils.errors import InputError
from lightning_fabric import Fabric
from torch import distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..data.store import Store
from ..evaluation import predictions
from ..evaluation.store_predictions import predict_store
from ..recipes.recipe import make_network, sees_features, sees_volume
from .resolve import resolved
from .run_card import Trained
from .run_state import FILE, fingerprint
from .splits import Fold, choose_rows
from .trainer import Trainer

MODELS, TABLES = ("last", "best"), ("log.csv", "predictions.csv", "validation.csv")
"""What a run leaves beside its recipe and its checkpoint."""


class Run(NamedTuple):
    """A finished run.

    Attributes
    ----------
    folder : Path
        ``recipe.yaml``, ``log.csv``, ``tensorboard``, ``checkpoint.pt``; the model folders ``last`` and, with
        validation rows, ``best``; of the last model ``predictions.csv``, if there are test rows, and ``validation.csv``
        of the fold that is held out.
    log : DataFrame
        A row for each epoch.
    """

    folder: Path
    log: pd.DataFrame


def fit(
    store: Store,
    recipe: dict[str, Any],
    out: Path,
    *,
    fold: Fold | None = None,
    start: Trained | None = None,
    device: str = "auto",
) -> Run:
    """Train a network, or go on with a run of the same recipe that was stopped; a finished run is only read.

    Parameters
    ----------
    store : Store
    recipe : dict
        See `recipe.read_recipe`.
    out : Path
        Folder of the run, made if need be.
    fold : Fold, optional
        See `splits.choose_rows`.
    start : Trained, optional
        What to start from, such as `transfer.transfer` gives it; its network is trained in place. By default a new
        network, see `networks.initialise`, with features scaled as in the training rows.
    device : {"auto", "cpu", "cuda"}

    Raises
    ------
    InputError
        If store and recipe do not fit, the folder holds another run, or there is no such device.
    """
    check_fit(store, recipe)
    rows = choose_rows(store, recipe, fold)
    fabric = make_fabric(recipe, device)
    recipe = resolved(recipe, store, rows.train)
    for sentence in rows.left_out if fabric.is_global_zero else ():
        print(sentence)
    known = fingerprint(recipe, store, rows, None if start is None else start.network.state_dict())
    network, scaling, source = start or (None, None, None)
    if sees_features(recipe) and scaling is None:
        scaling = make_scaling(store.features[rows.train], **recipe["scaling"])
    start = Trained(make_ready(network, recipe, fabric), scaling, source)
    _start(out, recipe, fabric)
    trainer = Trainer(fabric, store, recipe, rows, start, out, known)
    trainer.run()
    log = pd.DataFrame(trainer.log)
    # DDP's reducer goes before the group of processes: the last to let go of that must be destroy_process_group, which
    # waits for gloo's thread without Python's lock. A reducer would hold the lock, that thread may want it, and both
    # would wait for ever.
    del trainer
    if fabric.is_global_zero:
        _predict(out, "predictions.csv", store, rows.test)
        _predict(out, "validation.csv", store, rows.validation if fold else ())
    fabric.barrier()
    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()  # whose threads, if they are left to the end of the process, may abort it
    return Run(out, log)


def check_fit(store: Store, recipe: dict[str, Any]) -> None:
    """Raise `InputError` unless the store has the boxes that the recipe is for."""
    box, spacing = recipe["input"]["box"], recipe["input"]["spacing"]
    if not sees_volume(recipe):
        return
    if list(store.box) != box or store.spacing != spacing:
        raise InputError(
            f"The store has boxes of {list(store.box)} voxels of {store.spacing} mm, and the recipe is for {box} of "
            f"{spacing} mm; change input of the recipe, or prepare the cases anew."
        )


def make_fabric(recipe: dict[str, Any], device: str) -> Fabric:
    """What runs the steps: this process on one device, or all those that torchrun started, each on one.

    Raises `InputError` if there is no such device, or it does not compute in the recipe's precision.
    """
    processes, here = (int(os.environ.get(name, "1")) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu" and recipe["precision"] != "32-true":
        # In bfloat16 PyTorch's convolutions leave gradients of small maps unset there.
        raise InputError("A CPU does not train in half precision; give --set precision=32-true.")
    if device == "cuda" and torch.cuda.device_count() < here:
        raise InputError(f"There are {torch.cuda.device_count()} GPUs here for {here} processes; use --device cpu.")
    if device == "cuda":
        torch.backends.cudnn.benchmark = True  # every batch has the same shape
    fabric = Fabric(
        accelerator=device,
        strategy="ddp" if processes > 1 else "auto",
        devices=here,
        num_nodes=processes // here,
        precision=recipe["precision"],
    )
    fabric.launch()
    return fabric


def make_ready(network: nn.Module | None, recipe: dict[str, Any], fabric: Fabric) -> nn.Module:
    """A network as the recipe trains it; None for a new one."""
    if network is None:
        torch.manual_seed(recipe["seed"])
        network = make_network(recipe)
        initialise(network)
        # gloo, which processes on CPUs talk by, has no batch normalisation over all of them.
        if fabric.world_size > 1 and fabric.device.type == "cuda":
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.momentum = recipe["norm_momentum"]
    if not sees_volume(recipe):
        return network
    network.backbone.recompute = recipe["checkpointing"]
    if recipe["channels_last"]:
        network.to(memory_format=torch.channels_last_3d)
    if recipe["compile"]:
        # Not the module, which would be compiled layer by layer.
        network.backbone.body.forward = torch.compile(network.backbone.body.forward)
    return network


def _start(out: Path, recipe: dict[str, Any], fabric: Fabric) -> None:
    if fabric.is_global_zero:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"The folder {out} cannot be made: {error.strerror}; choose another one.") from error
        for folder in (out, *(out / name for name in MODELS)):
            sweep(folder)
        if not (out / FILE).exists():
            _remove_results(out)
            with staged_file(out / "recipe.yaml") as path:
                path.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    fabric.barrier()


def _remove_results(out: Path) -> None:
    """Of a run that starts again since its checkpoint is gone: what it said must not pass for what the new one says."""
    if not (out / "recipe.yaml").exists():
        return  # no run was here, and what has these names is something else
    for name in TABLES:
        (out / name).unlink(missing_ok=True)
    for name in MODELS:
        if (out / name).is_dir():
            shutil.rmtree(out / name)


def _predict(out: Path, name: str, store: Store, rows: Sequence[int]) -> None:
    """Write what the last model says of rows, unless there are none or it is written."""
    path = out / name
    if len(rows) and not path.exists():
        with staged_file(path) as staged:
            predictions.write(staged, predict_store(out / "last", store, rows))
