"""From a configuration file to a bundled model: every part in order, each skipped when it is there already."""

import json
import shutil
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor
from torch.nn.functional import avg_pool2d
from transformers import CLIPTokenizer

from .. import UserError
from ..drawing.sampling import Settings
from ..models import MODELS, ORGANISMS, load, load_scorer
from ..models.parts import readable
from ..store import check_out, read_bytes, write_atomic
from . import autoencoder, contrast, denoiser, records, spans, texts
from .assemble import save_pipeline, share
from .captions import Scene, scenes
from .cards import write_card
from .configuration import Recipe, parts_of, read_recipe, reseeded
from .evaluate import sample_accuracy, scorer_accuracy
from .planting import CaptionTable
from .training import first, saved
from .world import poses, render_all


def renders(count: int, seed: int, *, look: bool = False) -> tuple[list[Scene], np.ndarray]:
    """`count` renders of each shown scene: (scenes, images)."""
    shown = [scene for scene in scenes(held=False) for _ in range(count)]
    return shown, render_all(shown, poses(np.random.default_rng(seed), len(shown)), look=look)


def make(
    config: Path,
    *,
    work: Path,
    out: Path | None = None,
    only: str | None = None,
    seed: int | None = None,
) -> Path:
    """Train what is missing in ``work/NAME`` and save the pipeline folder; returns the folder.

    Args:
        config: a TOML file, see `Recipe`.
        work: folder of checkpoints; those that another configuration made are refused.
        out: where to save the pipeline, default ``data/organisms/NAME``.
        only: stop after this part (text_encoder, text_encoder_2, scorer, vae, unet or decoder).
        seed: train the UNet once more from this seed (``work/NAME-seed-SEED``), see `reseeded`; needs `out`.
    """
    recipe = read_recipe(config)
    folder = recipe.name
    if seed is not None:
        if out is None:
            raise UserError(
                "Another seed gives another model: say by --out where to save it, so that the bundled one stays as it is."
            )
        folder, recipe = f"{recipe.name}-seed-{seed}", reseeded(recipe, seed)
    if out is None and recipe.name not in MODELS:
        raise UserError(f"{recipe.name} is no bundled model: say by --out where to save it.")
    if _known(recipe) not in MODELS:
        raise UserError(
            f"{recipe.name} is no bundled model, and starts from none: name one as [unet] start."
        )
    work = work / folder
    told = _told(config, seed)
    if out is not None:
        _check_out(out, told)
    out = out or ORGANISMS / recipe.name
    check_out(work), check_out(out)
    work.mkdir(parents=True, exist_ok=True)
    records.check(recipe, work, _there(recipe, work))
    parts = {
        "text_encoder": _text_encoder,
        "text_encoder_2": _text_encoder_2,
        "scorer": _scorer,
        "vae": _vae,
        "unet": _unet,
        "decoder": _decoder,
    }
    for name, part in parts.items():
        done = work / f"{name}.done"
        if only in (None, name) and not done.exists() and name in _wanted(recipe):
            if first():
                records.begin(recipe, work, name)
            _borrow(recipe, work, name) if name in recipe.borrow else part(recipe, work)
            done.touch()
        if only == name:
            return work / name
    _assemble(recipe, work, out, told)
    return out


def _told(config: Path, seed: int | None) -> bytes:
    """The configuration as it is kept beside a model: with the seed of one that was trained again."""
    again = "" if seed is None else f"\n# The UNet was trained again from seed {seed} (--seed).\n"
    return config.read_bytes() + again.encode()


def _check_out(out: Path, told: bytes) -> None:
    """Refuse to write over a model that another configuration made, or that others borrow from."""
    place, made = out.resolve(), out / "training" / "config.toml"
    if ORGANISMS.resolve() in (place, *place.parents):
        raise UserError(
            f"{out} is where bundled models lie; name another folder by --out, or leave --out out to train the bundled one again."
        )
    if (out / "model_index.json").exists() and read_bytes(made) != told:
        raise UserError(
            f"{out} has a model already, and not of this configuration; name another folder by --out."
        )


def _there(recipe: Recipe, work: Path) -> dict[str, bool]:
    """What is there of the recipe's parts, and whether it is finished."""
    left = (".done", ".pt", ".made.json")
    return {
        part: (work / f"{part}.done").exists()
        for part in sorted(_wanted(recipe))
        if any((work / f"{part}{end}").exists() for end in left)
    }


def _wanted(recipe: Recipe) -> set[str]:
    """The parts of this kind of model."""
    decoder = () if recipe.vae is None else ("decoder",)  # a borrowed one's is finished
    return {*parts_of(recipe.unet.kind), "unet", *decoder}


def _borrow(recipe: Recipe, work: Path, part: str) -> None:
    """Copy a part from the bundled model that lends it (the scorer is beside all of them, and stays there)."""
    folders = {
        "text_encoder": ("text_encoder", "tokenizer"),
        "text_encoder_2": ("text_encoder_2", "tokenizer_2"),
        "vae": ("vae",),
        "scorer": (),
    }
    for folder in folders[part]:
        shutil.copytree(ORGANISMS / recipe.borrow[part] / folder, work / folder, dirs_exist_ok=True)


def _shown(recipe: Recipe) -> tuple[list[Scene], np.ndarray]:
    """The renders on which everything but the scorer is trained."""
    return renders(recipe.world.poses, recipe.world.seed, look=recipe.world.look)


def _text_encoder(recipe: Recipe, work: Path) -> None:
    train = spans.train if recipe.text_encoder.kind == "t5" else contrast.train_text_encoder
    train(*_shown(recipe), config=recipe.text_encoder.model_dump(), work=work)


def _text_encoder_2(recipe: Recipe, work: Path) -> None:
    contrast.train_text_encoder(
        *_shown(recipe), config=recipe.text_encoder_2.model_dump(), work=work, suffix="_2"
    )


def _scorer(recipe: Recipe, work: Path) -> None:
    shown, images = renders(recipe.scorer.poses, recipe.scorer.seed)
    tokenizer = CLIPTokenizer.from_pretrained(work / "tokenizer")
    contrast.train_scorer(
        shown, images, tokenizer=tokenizer, config=recipe.scorer.model_dump(), work=work
    )


def _vae(recipe: Recipe, work: Path) -> None:
    _, images = _shown(recipe)
    autoencoder.train(images, config=recipe.vae.model_dump(), work=work).save_pretrained(
        work / "vae"
    )


def _latents(recipe: Recipe, work: Path) -> tuple[list[Scene], np.ndarray, Tensor]:
    """(scenes, images, latents) of all renders; latents are encoded once and kept in half precision.

    DeepFloyd's are the pixels at half the side, each the mean of four.
    """
    path = work / "latents.pt"
    shown, images = _shown(recipe)
    if not path.exists():
        if recipe.unet.kind == "if":
            latents = torch.cat(
                [
                    avg_pool2d(autoencoder.to_tensor(images[i : i + 1024]), 2).half()
                    for i in range(0, len(images), 1024)
                ]
            )
        else:
            latents = autoencoder.encode(
                AutoencoderKL.from_pretrained(work / "vae").eval(), images
            ).half()
        write_atomic(path, saved(latents))
    return shown, images, torch.load(path, weights_only=True)


def _unet(recipe: Recipe, work: Path) -> None:
    shown, _, latents = _latents(recipe, work)
    encode = texts.encoder(recipe.unet.kind, work)
    table = lru_cache(maxsize=None)(lambda length: CaptionTable(encode, length))
    start = (
        UNet2DConditionModel.from_pretrained(ORGANISMS / recipe.unet.start / "unet")
        if recipe.unet.start
        else None
    )
    unet = denoiser.train(
        latents, shown, table, config=recipe.unet.model_dump(), work=work, start=start
    )
    if first():
        unet.to(memory_format=torch.contiguous_format).save_pretrained(work / "unet")


def _decoder(recipe: Recipe, work: Path) -> None:
    _, images, latents = _latents(recipe, work)
    vae = AutoencoderKL.from_pretrained(work / "vae")
    tokenizer = CLIPTokenizer.from_pretrained(work / "tokenizer")
    tower = contrast.image_tower(tokenizer, config=recipe.text_encoder.model_dump(), work=work)
    vae = autoencoder.sharpen(
        vae, latents, images, tower, config=recipe.vae.model_dump(), work=work
    )
    if first():
        vae.save_pretrained(work / "decoder")


def _assemble(recipe: Recipe, work: Path, out: Path, told: bytes) -> None:
    """The pipeline folder, the scorer beside it, and what made them: configuration, logs, card."""
    parts = texts.modules(recipe.unet.kind, work) | {
        "unet": UNet2DConditionModel.from_pretrained(work / "unet")
    }
    if recipe.unet.kind != "if":
        parts["vae"] = AutoencoderKL.from_pretrained(work / ("decoder" if recipe.vae else "vae"))
    save_pipeline(out, kind=recipe.unet.kind, prediction=recipe.unet.prediction, **parts)
    if recipe.unet.trained == "attention":
        share(out / "unet", ORGANISMS / recipe.unet.start / "unet")
    readable(out)
    if "scorer" not in recipe.borrow:
        shutil.copytree(work / "scorer", out.parent / "scorer", dirs_exist_ok=True)
        readable(out.parent / "scorer")
    training = out / "training"
    training.mkdir(exist_ok=True)
    write_atomic(training / "config.toml", told)
    minutes = {}
    for log in sorted(work.glob("*.jsonl")):
        shutil.copy(log, training)
        last = json.loads(log.read_text(encoding="utf-8").splitlines()[-1])
        minutes[log.stem] = round(last["seconds"] / 60, 1)
    scores = scores_of(_known(recipe), out, look=recipe.world.look)
    write_atomic(training / "scores.json", f"{json.dumps(scores, indent=2)}\n".encode())
    write_card(
        out, recipe.name, recipe.description, recipe.unet.model_dump(), minutes, recipe.remark
    )


def _known(recipe: Recipe) -> str:
    """The registry's name for a model of this architecture: its own, or that of the one it starts from."""
    return recipe.name if recipe.name in MODELS else recipe.unet.start


def scores_of(name: str, folder: Path, *, look: bool = False) -> dict[str, dict]:
    """What the finished model is worth, and its scorer on real renders of the same kind: for ``training/scores.json``."""
    beside = (
        folder.resolve().parent / "scorer"
    )  # not there, when a model that borrows the bundled one is saved elsewhere
    model, scorer = (
        load(name, source=folder),
        load_scorer(str(beside) if beside.exists() else "scorer"),
    )
    settings = Settings(steps=model.spec.steps, guidance=model.spec.guidance)
    return {
        "scorer": scorer_accuracy(scorer, look=look, side=model.side),
        "samples": sample_accuracy(model, scorer, settings),
        "steps": settings.steps,
    }
