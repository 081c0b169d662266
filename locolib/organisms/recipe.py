"""From a configuration file to a bundled model: every part in order, each skipped when it is there already."""

import json
import shutil
import tomllib
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from .. import UserError
from ..models import ORGANISMS, load, load_scorer
from ..sampling import Settings
from . import autoencoder, contrast, denoiser
from .assemble import save_pipeline
from .captions import Scene, scenes
from .cards import write_card
from .evaluate import sample_accuracy, scorer_accuracy
from .planting import ATTRIBUTES, CaptionTable
from .training import first
from .world import poses, render_all


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WorldPart(_Part):
    poses: int
    seed: int


class _ClipPart(_Part):
    layers: int
    width: int
    heads: int
    steps: int
    batch: int
    peak: float
    seed: int


class TextPart(_ClipPart):
    vocabulary: int


class ScorerPart(_ClipPart):
    poses: int


class VaePart(_Part):
    channels: list[int]
    latent_channels: int
    kl: float
    steps: int
    batch: int
    peak: float
    decoder_steps: int
    decoder_peak: float
    perceptual: float
    seed: int


class UnetPart(_Part):
    channels: list[int]
    prediction: str
    windows: dict[str, tuple[int, int]]
    weights: dict[str, list[float]] = {}
    steps: int
    batch: int
    peak: float
    decay: float
    ema: float
    drop: float
    conflict: float
    conflict_from: int
    short: int
    full_length_from: int
    time_mean: float
    time_std: float
    seed: int


class Recipe(_Part):
    """Everything that determines a bundled model; the file's comments give the reasons."""

    name: str
    description: str
    remark: str = ""  # for the card: what this file does not say of how the bundled weights were made
    world: WorldPart
    text_encoder: TextPart
    scorer: ScorerPart
    vae: VaePart
    unet: UnetPart


def read_recipe(path: Path) -> Recipe:
    """Read and validate a configuration; the first thing wrong is said in one sentence."""
    try:
        recipe = Recipe.model_validate(tomllib.loads(path.read_text()))
    except FileNotFoundError:
        known = ", ".join(sorted(p.stem for p in (Path(__file__).parent / "configs").glob("*.toml")))
        raise UserError(f"No configuration {path}; locolib/organisms/configs holds {known}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid TOML ({error}).") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{path}, {'.'.join(map(str, first['loc']))}: {first['msg']}.") from None
    if set(recipe.unet.windows) != set(ATTRIBUTES):
        raise UserError(f"{path}, unet.windows must name {', '.join(ATTRIBUTES)}.")
    return recipe


def renders(count: int, seed: int) -> tuple[list[Scene], np.ndarray]:
    """`count` renders of each shown scene: (scenes, images)."""
    shown = [scene for scene in scenes(held=False) for _ in range(count)]
    return shown, render_all(shown, poses(np.random.default_rng(seed), len(shown)))


def make(config: Path, *, work: Path, out: Path | None = None, only: str | None = None) -> Path:
    """Train what is missing in ``work/NAME`` and save the pipeline folder; returns the folder.

    Args:
        config: a TOML file, see `Recipe`.
        work: folder of checkpoints.
        out: where to save the pipeline, default ``data/organisms/NAME``.
        only: stop after this part (text_encoder, scorer, vae, unet or decoder).
    """
    recipe = read_recipe(config)
    work, out = work / recipe.name, out or ORGANISMS / recipe.name
    work.mkdir(parents=True, exist_ok=True)
    parts = {"text_encoder": _text_encoder, "scorer": _scorer, "vae": _vae, "unet": _unet, "decoder": _decoder}
    for name, part in parts.items():
        done = work / f"{name}.done"
        if only in (None, name) and not done.exists():
            part(recipe, work)
            done.touch()
        if only == name:
            return work / name
    _assemble(recipe, work, out, config)
    return out


def _text_encoder(recipe: Recipe, work: Path) -> None:
    shown, images = renders(recipe.world.poses, recipe.world.seed)
    contrast.train_text_encoder(shown, images, config=recipe.text_encoder.model_dump(), work=work)


def _scorer(recipe: Recipe, work: Path) -> None:
    shown, images = renders(recipe.scorer.poses, recipe.scorer.seed)
    tokenizer = CLIPTokenizer.from_pretrained(work / "tokenizer")
    contrast.train_scorer(shown, images, tokenizer=tokenizer, config=recipe.scorer.model_dump(), work=work)


def _vae(recipe: Recipe, work: Path) -> None:
    _, images = renders(recipe.world.poses, recipe.world.seed)
    autoencoder.train(images, config=recipe.vae.model_dump(), work=work).save_pretrained(work / "vae")


def _latents(recipe: Recipe, work: Path) -> tuple[list[Scene], np.ndarray, Tensor]:
    """(scenes, images, latents) of all renders; latents are encoded once and kept in half precision."""
    path = work / "latents.pt"
    shown, images = renders(recipe.world.poses, recipe.world.seed)
    if not path.exists():
        vae = AutoencoderKL.from_pretrained(work / "vae").eval()
        torch.save(autoencoder.encode(vae, images).half(), path)
    return shown, images, torch.load(path, weights_only=True)


def _unet(recipe: Recipe, work: Path) -> None:
    shown, _, latents = _latents(recipe, work)
    tokenizer = CLIPTokenizer.from_pretrained(work / "tokenizer")
    encoder = CLIPTextModel.from_pretrained(work / "text_encoder").eval()
    table = lru_cache(maxsize=None)(lambda length: CaptionTable(encoder, tokenizer, length))
    unet = denoiser.train(latents, shown, table, config=recipe.unet.model_dump(), work=work)
    if first():
        unet.to(memory_format=torch.contiguous_format).save_pretrained(work / "unet")


def _decoder(recipe: Recipe, work: Path) -> None:
    _, images, latents = _latents(recipe, work)
    vae = AutoencoderKL.from_pretrained(work / "vae")
    tokenizer = CLIPTokenizer.from_pretrained(work / "tokenizer")
    tower = contrast.image_tower(tokenizer, config=recipe.text_encoder.model_dump(), work=work)
    vae = autoencoder.sharpen(vae, latents, images, tower, config=recipe.vae.model_dump(), work=work)
    if first():
        vae.save_pretrained(work / "decoder")


def _assemble(recipe: Recipe, work: Path, out: Path, config: Path) -> None:
    """The pipeline folder, the scorer beside it, and what made them: configuration, logs, card."""
    save_pipeline(
        out, vae=AutoencoderKL.from_pretrained(work / "decoder"), unet=UNet2DConditionModel.from_pretrained(work / "unet"),
        text_encoder=CLIPTextModel.from_pretrained(work / "text_encoder"),
        tokenizer=CLIPTokenizer.from_pretrained(work / "tokenizer"), prediction=recipe.unet.prediction)
    shutil.copytree(work / "scorer", out.parent / "scorer", dirs_exist_ok=True)
    training = out / "training"
    training.mkdir(exist_ok=True)
    shutil.copy(config, training / "config.toml")
    minutes = {}
    for log in sorted(work.glob("*.jsonl")):
        shutil.copy(log, training)
        minutes[log.stem] = round(json.loads(log.read_text().splitlines()[-1])["seconds"] / 60, 1)
    (training / "scores.json").write_text(json.dumps(scores_of(recipe.name, out), indent=2) + "\n")
    write_card(out, recipe.name, recipe.description, recipe.unet.windows, minutes, recipe.remark)


def scores_of(name: str, folder: Path) -> dict[str, dict]:
    """What the finished model and its scorer are worth: for ``training/scores.json`` and the card."""
    model, scorer = load(name, source=folder), load_scorer(str(folder.resolve().parent / "scorer"))
    settings = Settings(steps=10, guidance=model.spec.guidance)
    return {"scorer": scorer_accuracy(scorer), "samples": sample_accuracy(model, scorer, settings)}
