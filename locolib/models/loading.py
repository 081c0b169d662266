"""Loading: a bundled folder, a local folder, or the hub; what is wrong is said in one sentence."""

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from logging import CRITICAL
from pathlib import Path
from textwrap import shorten
from typing import Any

import diffusers
import torch
from diffusers import DiffusionPipeline
from diffusers.utils import logging as diffusers_logging
from huggingface_hub import try_to_load_from_cache
from transformers.utils import logging as transformers_logging

from .. import UserError
from . import precision, single_file
from .adapters import lora_file, merge
from .architecture import difference
from .families import FAMILIES
from .memory import settle
from .parts import load_parts
from .planted import put_weights
from .registry import MODELS, ORGANISMS, Spec, find
from .schedules import scheduler
from .sources import Place, configuration, fetched, learn, place, revision
from .wrapper import Model

# What each pipeline is told to do without: checkers that blacken pictures, watermarks.
_WITHOUT: dict[str, dict[str, Any]] = {
    "StableDiffusionPipeline": {
        "safety_checker": None,
        "feature_extractor": None,
        "image_encoder": None,
        "requires_safety_checker": False,
    },
    "StableDiffusionXLPipeline": {
        "feature_extractor": None,
        "image_encoder": None,
        "add_watermarker": False,
    },
    "IFPipeline": {
        "safety_checker": None,
        "feature_extractor": None,
        "watermarker": None,
        "requires_safety_checker": False,
    },
}


def is_here(spec: Spec) -> bool:
    """Whether the model can be loaded without the network."""
    if spec.bundled:
        return any((ORGANISMS / source / "model_index.json").exists() for source in spec.sources)
    return any(
        isinstance(try_to_load_from_cache(source, "model_index.json"), str)
        for source in spec.sources
    )


def load(
    name: str,
    *,
    source: str | Path | None = None,
    lora: str | Path | None = None,
    device: str = "auto",
    dtype: str = "auto",
) -> Model:
    """Load a model of the registry as an ordinary diffusers pipeline, latent ones with a DDIM scheduler (the paper's sampler).

    Args:
        name: a key of `MODELS`.
        source: what to load instead of the known sources: a diffusers folder, OWNER/NAME or OWNER/NAME@REVISION of the hub, or
            one ``.safetensors`` file of a whole model, which needs no network.
        lora: a LoRA to merge into the weights, by diffusers or kohya.
        device, dtype: where it computes, and in which type of numbers (see `precision`).

    Raises:
        UserError: unknown name, device or type, missing, gated or broken checkpoint, or one of another architecture than the name says.
    """
    spec, where = find(name), precision.device(device)
    kind = precision.dtype(dtype, where)
    file = lora_file(lora) if lora else None
    pipeline, loaded = _pipeline(spec, source, torch.float32 if file else kind)
    family = FAMILIES[type(pipeline).__name__]
    if spec.weights and not source:
        put_weights(pipeline.unet, spec.weights)
        loaded += f" + {spec.weights}"
    if file:
        with _quiet():
            merge(pipeline, file)
        at = Place(kind="file", where=str(file))
        loaded += f" + {file.name}@{revision(at, file)}"
    pipeline.set_progress_bar_config(disable=True)
    pipeline.unet.to(
        memory_format=torch.channels_last
    )  # the layout that convolutions prefer, on CPUs too
    precision.cast(pipeline, family.parts, kind, upcast=family.upcast)
    model = family(spec=spec, pipeline=pipeline, source=loaded, place=where)
    settle(model)
    return model


def _places(spec: Spec, source: str | Path | None) -> list[Place]:
    """Where to look, in order."""
    if source:
        return [place(source)]
    if spec.bundled:
        return [Place(kind="folder", where=str(ORGANISMS / known)) for known in spec.sources]
    return [Place(kind="hub", where=known) for known in spec.sources]


def _pipeline(
    spec: Spec, source: str | Path | None, dtype: torch.dtype
) -> tuple[DiffusionPipeline, str]:
    """(pipeline, NAME@REVISION), from the first source that works; none is loaded before its configuration fits."""
    problems = []
    for at in _places(spec, source):
        if spec.bundled and at.kind == "folder" and not Path(at.where, "model_index.json").exists():
            problems.append(f"{at} does not exist")
            continue
        try:
            if differs := _difference(spec, at):
                raise _Other(f"{at} is not a {spec.title}: {differs}.")
            pipeline, found = _from_pretrained(spec, at, dtype)
        except _Other:
            raise
        except Exception as error:  # every library below raises its own kinds: one sentence for all
            problems.append(f"{at}: {_reason(error)}")
            continue
        if source or at.kind == "hub":
            learn(at, found)
        return pipeline, f"{Path(at.where).name if at.kind != 'hub' else at.where}@{found}"
    advice = (
        "pass another folder by --source, or none"
        if source
        else f"run `git checkout -- data/organisms` or retrain it with `make train MODEL={spec.name}`"
        if spec.bundled
        else "log in with `hf auth login`, accept its licence on the hub, or pass a local folder by --source"
    )
    raise UserError(f"Cannot load {spec.name} ({'; '.join(problems)}); {advice}.")


def pickled(place: str) -> str:
    """The first part of a local folder whose weights are pickles and in no other form; "" where there is none."""

    def only(folder: Path) -> bool:
        return any(
            any(folder.glob(name)) for name in ("*.bin", "*.pt", "*.pth", "*.ckpt")
        ) and not any(folder.glob("*.safetensors"))

    return next(
        (
            part
            for part in ("unet", "text_encoder", "text_encoder_2", "vae")
            if only(Path(place, part))
        ),
        "",
    )


class _Other(UserError):
    """A place holds another model than the one that was asked for: no reason to look at the next place."""


def _difference(spec: Spec, at: Place) -> str:
    """What keeps a place from being the model, and which of the published ones it is; "" where nothing does."""
    if at.kind == "file":
        return single_file.difference(spec.name, single_file.shapes(at.where))
    if at.kind == "folder" and (part := pickled(at.where)):
        raise UserError(
            f"its {part} holds pickled weights only, which can run any program when they are read; "
            "save it again by diffusers' save_pretrained with safe_serialization=True"
        )

    def read(part: str, name: str) -> dict[str, Any]:
        return configuration(at, part, name)

    if not (differs := difference(spec, read)):
        return ""
    others = [
        known.name for known in MODELS.values() if not known.bundled and not difference(known, read)
    ]
    return f"{differs}; by its architecture it is {' or '.join(others)}" if others else differs


def _from_pretrained(spec: Spec, at: Place, dtype: torch.dtype) -> tuple[DiffusionPipeline, str]:
    """(pipeline with the family's scheduler, revision) of a place that is the model."""
    without, family = _WITHOUT[spec.pipeline], FAMILIES[spec.pipeline]
    if at.kind == "file":
        folder, file = Path(at.where).parent, Path(at.where)
        with _quiet():
            pipeline = single_file.load_file(spec.name, file, dtype, without)
        saved = dict(pipeline.scheduler.config)
    else:
        folder = fetched(at, spec.pipeline, without)
        known = folder / "scheduler" / "scheduler_config.json"
        saved = json.loads(known.read_text(encoding="utf-8"))
        with _quiet():
            parts = load_parts(folder, family.parts, dtype)
            # of its own class: the base class knows no optional parts, and loads those that it is told to do without
            pipeline = getattr(diffusers, spec.pipeline).from_pretrained(
                folder, local_files_only=True, **parts, **without
            )
    pipeline.scheduler = scheduler(saved, family.sampler, str(at))
    return pipeline, revision(at, folder)


@contextmanager
def _quiet() -> Iterator[None]:
    """No bars and warnings about parts that load in a second; downloads still show theirs."""
    before = diffusers_logging.get_verbosity()
    diffusers_logging.set_verbosity(
        CRITICAL
    )  # its errors are raised too, and said in our own sentence
    for library in (diffusers_logging, transformers_logging):
        library.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        diffusers_logging.set_verbosity(before)
        for library in (diffusers_logging, transformers_logging):
            library.enable_progress_bar()


def _reason(error: Exception) -> str:
    """The first line of an error, shortened; the hub's own words for a gated or missing repository."""
    kind = type(error).__name__
    if isinstance(error, UserError):
        return str(error).rstrip(".")
    if kind == "GatedRepoError":
        return "its licence must be accepted on the hub first"
    if kind in (
        "RepositoryNotFoundError",
        "RevisionNotFoundError",
        "EntryNotFoundError",
        "LocalEntryNotFoundError",
        "OfflineModeIsEnabled",
    ):
        return "it is not on this machine and the hub does not give it"
    return (
        f"{kind}: {shorten((str(error).strip().splitlines() or [''])[0], 160, placeholder=' ...')}"
    )
