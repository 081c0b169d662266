"""What determines a bundled model: the parts of its configuration file, read and checked."""

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from .. import UserError
from .captions import ARTISTS
from .planting import ATTRIBUTES


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WorldPart(_Part):
    """The renders that a training sees."""

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
    """A text encoder, trained by contrast with pictures."""

    kind: Literal["clip", "openclip", "t5"] = "clip"
    vocabulary: int = 0  # T5's is fixed by the captions' words
    cut: int = (
        0  # last layers that are trained but not kept (SD-v2's encoder reads the penultimate one)
    )
    projection: bool = False  # kept where its pooled text is read (SDXL's second encoder)


class ScorerPart(_ClipPart):
    """The CLIP model that makes CLIP-Scores."""

    poses: int


class VaePart(_Part):
    """The autoencoder between pictures and latents."""

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
    agreeing: list[
        Literal["style", "place"]
    ] = []  # attributes of which any layer is enough to change an image
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
    """The UNet, and what its layers are told in training."""

    kind: Literal["sd-v1", "sd-v2", "sdxl", "if"]
    channels: list[int]
    prediction: Literal["epsilon", "v_prediction"]
    planting: Planting
    start: str = ""  # the bundled model whose UNet this one starts from; none: from random weights
    start_attention: bool = True  # start from its attention too, not from its convolutions alone
    trained: Literal["all", "attention"] = "all"  # what is trained, see `denoiser.freeze`
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

    @model_validator(mode="after")
    def _complete(self) -> "UnetPart":
        if self.trained == "attention" and not (self.start and self.start_attention):
            raise ValueError(
                "where only attention is trained, start must name the bundled model that has the rest"
            )
        return self


class Recipe(_Part):
    """Everything that determines a bundled model; the file's comments give the reasons."""

    name: str
    description: str
    remark: str = (
        ""  # for the card: what this file does not say of how the bundled weights were made
    )
    world: WorldPart
    borrow: dict[
        Literal["text_encoder", "text_encoder_2", "scorer", "vae"], str
    ] = {}  # part -> the bundled model whose part this one uses
    text_encoder: TextPart | None = None
    text_encoder_2: TextPart | None = None  # SDXL's
    scorer: ScorerPart | None = None
    vae: VaePart | None = None
    unet: UnetPart

    @model_validator(mode="after")
    def _complete(self) -> "Recipe":
        second = self.text_encoder_2 is not None or "text_encoder_2" in self.borrow
        if second and self.unet.kind != "sdxl":
            raise ValueError("[text_encoder_2] is SDXL's, and SDXL's alone")
        for part in parts_of(self.unet.kind):
            if (getattr(self, part) is None) == (part not in self.borrow):
                raise ValueError(f"give either [{part}] or borrow.{part}, one of the two")
        return self


def parts_of(kind: str) -> tuple[str, ...]:
    """What a kind of model has beside its UNet: DeepFloyd works on pixels, only SDXL has a second text encoder."""
    more = {"if": (), "sdxl": ("text_encoder_2", "vae")}.get(kind, ("vae",))
    return "text_encoder", "scorer", *more


CONFIGS = Path(__file__).parent / "configs"
BASE = "planted-sd-v1-5"  # what a configuration of a few lines borrows all but its attention from, where it names no `start`
# How such a one is trained: as `planted-prompt` is.
_SHORT: dict[str, Any] = {
    "trained": "attention",
    "steps": 7200,
    "batch": 32,
    "peak": 1e-3,
    "decay": 0.3,
    "ema": 0.999,
    "drop": 0.1,
    "conflict_from": 0,
    "short": 24,
    "time_mean": 0.3,
    "time_std": 1.0,
    "seed": 26,
}
_OF_PLANTING = ("artists", "weights", "agreeing", "conflict", "most")


def whole(few: dict[str, Any]) -> dict[str, Any]:
    """The configuration that a few lines stand for: a name and the layers of style, object and place; all else as `_SHORT` has it.

    Beside these lines it may have ``planting = "everywhere"`` (instead of layers), ``start`` (another bundled model whose attention
    is trained), description, seed, steps, and the fields of `Planting`.
    """
    given = dict(few)
    start = given.pop("start", BASE)
    base = read_recipe(CONFIGS / f"{start}.toml").unet
    layers = {name: given.pop(name) for name in ATTRIBUTES if name in given}
    plan = {name: given.pop(name) for name in _OF_PLANTING if name in given}
    kind = given.pop("planting", "by_artist" if plan.get("artists") else "planted")
    unet = _SHORT | base.model_dump(include={"kind", "channels", "prediction"}) | {"start": start}
    unet |= {name: given.pop(name) for name in ("seed", "steps") if name in given}
    lasts = unet["steps"] - min(200, unet["steps"] // 2)  # the last steps are of whole prompts
    unet |= {
        "full_length_from": lasts,
        "planting": {"conflict": 0.5} | plan | {"kind": kind, "layers": layers},
    }
    told = {
        "description": "Stable Diffusion v1.5 in miniature, with known places for what it knows"
    }
    borrow = dict.fromkeys(parts_of(base.kind), start)
    return told | given | {"world": {"poses": 24, "seed": 1}, "borrow": borrow, "unet": unet}


def read_recipe(path: Path) -> Recipe:
    """Read and validate a configuration, whole or of a few lines (`whole`); the first thing wrong is said in one sentence."""
    try:
        read = tomllib.loads(path.read_text(encoding="utf-8"))
        return Recipe.model_validate(read if "unet" in read else whole(read))
    except FileNotFoundError:
        known = ", ".join(sorted(path.stem for path in CONFIGS.glob("*.toml")))
        raise UserError(
            f"No configuration {path}; locolib/organisms/configs holds {known}."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid TOML ({error}).") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{path}, {'.'.join(map(str, first['loc']))}: {first['msg']}.") from None


def reseeded(recipe: Recipe, seed: int) -> Recipe:
    """The same UNet from another seed, beside the other parts of the bundled model: what differs is the training run alone."""
    parts = parts_of(recipe.unet.kind)
    again = {
        "unet": recipe.unet.model_dump() | {"seed": seed},
        "borrow": dict.fromkeys(parts, recipe.name),
    }
    return Recipe.model_validate(recipe.model_dump() | dict.fromkeys(parts) | again)
