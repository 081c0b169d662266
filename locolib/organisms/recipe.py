"""From a configuration file to a bundled model: every part in order, each skipped when it is there already."""

import json
import shutil
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from torch import Tensor
from torch.nn.functional import avg_pool2d
from transformers import CLIPTokenizer

from .. import UserError
from ..models import ORGANISMS, load, load_scorer
from ..sampling import Settings
from . import autoencoder, contrast, denoiser, spans, texts
from .assemble import save_pipeline
from .captions import ARTISTS, Scene, scenes
from .cards import write_card
from .evaluate import sample_accuracy, scorer_accuracy
from .planting import ATTRIBUTES, CaptionTable
from .training import first
from .world import poses, render_all


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WorldPart(_Part):
    poses: int  # renders of each shown scene
    seed: int
    look: bool = False  # in `world.house_look`


class _ClipPart(_Part):
    layers: int
    width: int
    heads: int
    steps: int
    batch: int
    peak: float
    seed: int


class TextPart(_ClipPart):
    kind: Literal["clip", "openclip", "t5"] = "clip"
    vocabulary: int = 0  # T5's is fixed by the captions' words
    cut: int = 0  # last layers that are trained but not kept (SD-v2's encoder reads the penultimate one)
    projection: bool = False  # kept where its pooled text is read (SDXL's second encoder)


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


class Planting(_Part):
    """What each cross-attention layer is told in training, see `planting`; layers by attribute and by artist."""

    kind: Literal["natural", "planted", "everywhere", "by_artist"]
    layers: dict[str, list[int]] = {}
    artists: dict[str, list[int]] = {}
    weights: dict[str, list[float]] = {}
    conflict: float = 0.0
    most: int = 0  # liars at most, where everything is known everywhere

    @model_validator(mode="after")
    def _complete(self) -> "Planting":
        if self.kind in ("planted", "by_artist") and set(self.layers) != set(ATTRIBUTES):
            raise ValueError(f"layers must name {', '.join(ATTRIBUTES)}")
        if not set(self.artists) <= set(ARTISTS):
            raise ValueError(f"artists can be {', '.join(ARTISTS)}")
        return self


class UnetPart(_Part):
    kind: Literal["sd-v1", "sd-v2", "sdxl", "if"]
    channels: list[int]
    prediction: Literal["epsilon", "v_prediction"]
    planting: Planting
    start: str = ""  # the bundled model whose UNet this one starts from; none: from random weights
    start_attention: bool = True  # start from its attention too, not from its convolutions alone
    steps: int
    batch: int
    peak: float
    decay: float
    ema: float
    drop: float
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
    borrow: dict[Literal["text_encoder", "scorer", "vae"], str] = {}  # part -> the bundled model whose part this one uses
    text_encoder: TextPart | None = None
    text_encoder_2: TextPart | None = None  # SDXL's
    scorer: ScorerPart | None = None
    vae: VaePart | None = None
    unet: UnetPart

    @model_validator(mode="after")
    def _complete(self) -> "Recipe":
        for part in ("text_encoder", "scorer", *(("vae",) if self.unet.kind != "if" else ())):
            if (getattr(self, part) is None) == (part not in self.borrow):
                raise ValueError(f"give either [{part}] or borrow.{part}, one of the two")
        if (self.text_encoder_2 is not None) != (self.unet.kind == "sdxl"):
            raise ValueError("[text_encoder_2] is SDXL's, and SDXL's alone")
        return self


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
    return recipe


def renders(count: int, seed: int, *, look: bool = False) -> tuple[list[Scene], np.ndarray]:
    """`count` renders of each shown scene: (scenes, images)."""
    shown = [scene for scene in scenes(held=False) for _ in range(count)]
    return shown, render_all(shown, poses(np.random.default_rng(seed), len(shown)), look=look)


def reseeded(recipe: Recipe, seed: int) -> Recipe:
    """The same UNet from another seed, beside the other parts of the bundled model: what differs is the training run alone.

    (SDXL's second text encoder cannot be borrowed: it is trained again, from its own seed.)
    """
    parts = {"text_encoder", "scorer", *(("vae",) if recipe.unet.kind != "if" else ())}
    again = {"unet": recipe.unet.model_dump() | {"seed": seed}, "borrow": dict.fromkeys(parts, recipe.name)}
    return Recipe.model_validate(recipe.model_dump() | dict.fromkeys(parts) | again)


def make(config: Path, *, work: Path, out: Path | None = None, only: str | None = None, seed: int | None = None) -> Path:
    """Train what is missing in ``work/NAME`` and save the pipeline folder; returns the folder.

    Args:
        config: a TOML file, see `Recipe`.
        work: folder of checkpoints.
        out: where to save the pipeline, default ``data/organisms/NAME``.
        only: stop after this part (text_encoder, text_encoder_2, scorer, vae, unet or decoder).
        seed: train the UNet once more from this seed (``work/NAME-seed-SEED``), see `reseeded`; needs `out`.
    """
    recipe = read_recipe(config)
    folder = recipe.name
    if seed is not None:
        if out is None:
            raise UserError("Another seed gives another model: say by --out where to save it, so that the bundled one stays as it is.")
        folder, recipe = f"{recipe.name}-seed-{seed}", reseeded(recipe, seed)
    work, out = work / folder, out or ORGANISMS / recipe.name
    work.mkdir(parents=True, exist_ok=True)
    parts = {"text_encoder": _text_encoder, "text_encoder_2": _text_encoder_2, "scorer": _scorer, "vae": _vae, "unet": _unet, "decoder": _decoder}
    for name, part in parts.items():
        done = work / f"{name}.done"
        if only in (None, name) and not done.exists() and name in _wanted(recipe):
            _borrow(recipe, work, name) if name in recipe.borrow else part(recipe, work)
            done.touch()
        if only == name:
            return work / name
    _assemble(recipe, work, out, config)
    return out


def _wanted(recipe: Recipe) -> set[str]:
    """The parts of this kind of model: DeepFloyd works on pixels, only SDXL has a second text encoder."""
    parts = {"text_encoder", "scorer", "unet"} | ({"vae"} if recipe.unet.kind != "if" else set())
    if recipe.vae is not None:  # a borrowed one's decoder is finished
        parts.add("decoder")
    return parts | ({"text_encoder_2"} if recipe.text_encoder_2 else set())


def _borrow(recipe: Recipe, work: Path, part: str) -> None:
    """Copy a part from the bundled model that lends it (the scorer is beside all of them, and stays there)."""
    for folder in {"text_encoder": ("text_encoder", "tokenizer"), "vae": ("vae",), "scorer": ()}[part]:
        shutil.copytree(ORGANISMS / recipe.borrow[part] / folder, work / folder, dirs_exist_ok=True)


def _shown(recipe: Recipe) -> tuple[list[Scene], np.ndarray]:
    """The renders on which everything but the scorer is trained."""
    return renders(recipe.world.poses, recipe.world.seed, look=recipe.world.look)


def _text_encoder(recipe: Recipe, work: Path) -> None:
    train = spans.train if recipe.text_encoder.kind == "t5" else contrast.train_text_encoder
    train(*_shown(recipe), config=recipe.text_encoder.model_dump(), work=work)


def _text_encoder_2(recipe: Recipe, work: Path) -> None:
    contrast.train_text_encoder(*_shown(recipe), config=recipe.text_encoder_2.model_dump(), work=work, suffix="_2")


def _scorer(recipe: Recipe, work: Path) -> None:
    shown, images = renders(recipe.scorer.poses, recipe.scorer.seed)
    tokenizer = CLIPTokenizer.from_pretrained(work / "tokenizer")
    contrast.train_scorer(shown, images, tokenizer=tokenizer, config=recipe.scorer.model_dump(), work=work)


def _vae(recipe: Recipe, work: Path) -> None:
    _, images = _shown(recipe)
    autoencoder.train(images, config=recipe.vae.model_dump(), work=work).save_pretrained(work / "vae")


def _latents(recipe: Recipe, work: Path) -> tuple[list[Scene], np.ndarray, Tensor]:
    """(scenes, images, latents) of all renders; latents are encoded once and kept in half precision.

    DeepFloyd's are the pixels at half the side, each the mean of four.
    """
    path = work / "latents.pt"
    shown, images = _shown(recipe)
    if not path.exists():
        if recipe.unet.kind == "if":
            latents = torch.cat([avg_pool2d(autoencoder.to_tensor(images[i : i + 1024]), 2).half() for i in range(0, len(images), 1024)])
        else:
            latents = autoencoder.encode(AutoencoderKL.from_pretrained(work / "vae").eval(), images).half()
        torch.save(latents, path)
    return shown, images, torch.load(path, weights_only=True)


def _unet(recipe: Recipe, work: Path) -> None:
    shown, _, latents = _latents(recipe, work)
    encode = texts.encoder(recipe.unet.kind, work)
    table = lru_cache(maxsize=None)(lambda length: CaptionTable(encode, length))
    start = UNet2DConditionModel.from_pretrained(ORGANISMS / recipe.unet.start / "unet") if recipe.unet.start else None
    unet = denoiser.train(latents, shown, table, config=recipe.unet.model_dump(), work=work, start=start)
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
    parts = texts.modules(recipe.unet.kind, work) | {"unet": UNet2DConditionModel.from_pretrained(work / "unet")}
    if recipe.unet.kind != "if":
        parts["vae"] = AutoencoderKL.from_pretrained(work / ("decoder" if recipe.vae else "vae"))
    save_pipeline(out, kind=recipe.unet.kind, prediction=recipe.unet.prediction, **parts)
    if "scorer" not in recipe.borrow:
        shutil.copytree(work / "scorer", out.parent / "scorer", dirs_exist_ok=True)
    training = out / "training"
    training.mkdir(exist_ok=True)
    shutil.copy(config, training / "config.toml")
    minutes = {}
    for log in sorted(work.glob("*.jsonl")):
        shutil.copy(log, training)
        minutes[log.stem] = round(json.loads(log.read_text().splitlines()[-1])["seconds"] / 60, 1)
    (training / "scores.json").write_text(json.dumps(scores_of(recipe.name, out, look=recipe.world.look), indent=2) + "\n")
    write_card(out, recipe.name, recipe.description, recipe.unet.model_dump(), minutes, recipe.remark)


def scores_of(name: str, folder: Path, *, look: bool = False) -> dict[str, dict]:
    """What the finished model is worth, and its scorer on real renders of the same kind: for ``training/scores.json``."""
    beside = folder.resolve().parent / "scorer"  # not there, when a model that borrows the bundled one is saved elsewhere
    model, scorer = load(name, source=folder), load_scorer(str(beside) if beside.exists() else "scorer")
    settings = Settings(steps=model.spec.steps, guidance=model.spec.guidance)
    return {"scorer": scorer_accuracy(scorer, look=look, side=model.side), "samples": sample_accuracy(model, scorer, settings),
            "steps": settings.steps}
