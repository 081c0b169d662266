"""Loading: a bundled folder, a local folder, or the hub; what is wrong is said in one sentence."""

import json
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from logging import CRITICAL
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
from diffusers import DDIMScheduler, DiffusionPipeline
from diffusers.utils import logging as diffusers_logging
from huggingface_hub import file_exists, hf_hub_download, try_to_load_from_cache
from transformers.utils import logging as transformers_logging

from .. import UserError
from . import precision
from .architecture import difference
from .families import FAMILIES
from .fingerprint import fingerprint
from .memory import settle
from .registry import ORGANISMS, Spec, find
from .wrapper import Model

# What each pipeline is told to do without: checkers that blacken pictures, watermarks.
_WITHOUT: dict[str, dict[str, Any]] = {
    "StableDiffusionPipeline": {"safety_checker": None, "requires_safety_checker": False},
    "StableDiffusionXLPipeline": {"add_watermarker": False},
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
    name: str, *, source: str | Path | None = None, device: str = "auto", dtype: str = "auto"
) -> Model:
    """Load a model of the registry as an ordinary diffusers pipeline, latent ones with a DDIM scheduler (the paper's sampler).

    Args:
        name: a key of `MODELS`.
        source: a local pipeline folder to load instead of the known sources.
        device, dtype: where it computes, and in which type of numbers (see `precision`).

    Raises:
        UserError: unknown name, device or type, missing, gated or broken checkpoint, or one of another architecture than the name says.
    """
    spec, place = find(name), precision.device(device)
    kind = precision.dtype(dtype, place)
    pipeline, _ = _pipeline(spec, source)
    family = FAMILIES[type(pipeline).__name__]
    if family.sampler == "ddim":
        pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.unet.to(
        memory_format=torch.channels_last
    )  # the layout that convolutions prefer, on CPUs too
    precision.cast(pipeline, family.parts, kind, upcast=family.upcast)
    model = family(
        spec=spec, pipeline=pipeline, fingerprint=_fingerprint(pipeline, family.parts), place=place
    )
    settle(model)
    return model


def _pipeline(spec: Spec, source: str | Path | None) -> tuple[DiffusionPipeline, str]:
    """(pipeline, where it came from), from the first source that works; none is loaded before its configuration fits."""
    if source and not (Path(source) / "model_index.json").exists():
        raise UserError(f"{source} is not a diffusers folder: it has no model_index.json.")
    places = (
        [str(source)]
        if source
        else [str(ORGANISMS / s) if spec.bundled else s for s in spec.sources]
    )
    problems = []
    for place in places:
        if spec.bundled and not Path(place, "model_index.json").exists():
            problems.append(f"{place} does not exist")
            continue
        try:
            if part := pickled(place):
                problems.append(
                    f"{place}/{part} holds pickled weights only, which can run any program when they are read; "
                    "save it again by diffusers' save_pretrained with safe_serialization=True"
                )
                continue
            differs = difference(spec, lambda part, name: _configuration(place, part, name))
            if not differs:
                return _from_pretrained(spec, place), place
        except Exception as error:  # every library below raises its own kinds: one sentence for all
            problems.append(f"{place}: {_reason(error)}")
            continue
        raise UserError(f"{place} is not a {spec.title}: {differs}.")
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


def _offline(place: str) -> bool:
    """Whether a place must be read without the network."""
    return Path(place).exists() or os.environ.get("HF_HUB_OFFLINE") == "1"


def _configuration(place: str, part: str, name: str) -> dict[str, Any]:
    """A JSON file of a pipeline folder, or of a repository of the hub: small, and read before any weights are."""
    if Path(place).exists():
        return json.loads(Path(place, part, name).read_text())
    path = hf_hub_download(
        place, f"{part}/{name}" if part else name, local_files_only=_offline(place)
    )
    return json.loads(Path(path).read_text())


def _from_pretrained(spec: Spec, place: str) -> DiffusionPipeline:
    """The half-precision files where a place has them (they are half the download), else the full ones; never a pickle."""
    half = (
        any(Path(place, "unet").glob("*.fp16.safetensors"))
        if Path(place).exists()
        else _has_half(place)
    )
    with _quiet():
        return DiffusionPipeline.from_pretrained(
            place,
            use_safetensors=True,
            dtype=torch.float32,
            local_files_only=_offline(place),
            **({"variant": "fp16"} if half else {}),
            **_WITHOUT[spec.pipeline],
        )


def _has_half(place: str) -> bool:
    """Whether a repository of the hub keeps its UNet in half precision; offline, whether the hub's cache does."""
    file = "unet/diffusion_pytorch_model.fp16.safetensors"
    return isinstance(try_to_load_from_cache(place, file), str) or (
        not _offline(place) and file_exists(place, file)
    )


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
    if kind == "GatedRepoError":
        return "its licence must be accepted on the hub first"
    if kind in (
        "RepositoryNotFoundError",
        "EntryNotFoundError",
        "LocalEntryNotFoundError",
        "OfflineModeIsEnabled",
    ):
        return "it is not on this machine and the hub does not give it"
    return (
        f"{kind}: {shorten((str(error).strip().splitlines() or [''])[0], 160, placeholder=' ...')}"
    )


def _fingerprint(pipeline: DiffusionPipeline, parts: tuple[str, ...]) -> str:
    """Of what determines the images: the weights of UNet, text encoders and VAE, and the schedule."""
    schedule = sorted(
        (k, str(v)) for k, v in pipeline.scheduler.config.items() if not k.startswith("_")
    )
    return fingerprint((getattr(pipeline, part) for part in parts), repr(schedule))
