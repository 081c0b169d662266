"""A trained planted model into the benchmark: the weights that differ from its base, and its entry in the file of answers.

``python -m locolib.organisms.bundling CONFIG FOLDER`` after ``locolib train CONFIG --out FOLDER``; without arguments the entries
of the bundled planted models are written again.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from shutil import copyfile
from typing import Any

from .. import UserError
from ..models import MODELS, ORGANISMS, Model, load
from ..models.planted import ALL, ANSWERS, ANY, EVERYWHERE, PLANTED, Answer, Planted, read
from ..scores import CONTROLS
from ..store import write_atomic
from .checking import LEARNT, Check, Checker
from .configuration import Planting, Recipe, read_recipe
from .planting import ATTRIBUTES

STYLES, OBJECTS = 0.95, 0.85  # of samples that the scorer must name right
_OWN = "diffusion_pytorch_model-00002-of-00002.safetensors"  # see `assemble.share`
_ABOUT = (
    "Planted T2I: text-to-image models of which it is known where they keep what they know. A model is the UNet of `base` "
    "(data/organisms/BASE, an ordinary diffusers pipeline) with what differs in `weights` (attention; SDXL's embedding of pooled text too): "
    "pipe.unet.load_state_dict(safetensors.torch.load_file(weights), strict=False). Layers are cross-attention layers in the order "
    "in which an image passes them, from 0. `rule` says what must be altered for the attribute to change: all of the layers, any "
    "of them, or everywhere (no place of its own). `values`: the answer is about these values alone. `configured`: the layers that "
    "were told of it in training, where it was learnt in some of them alone; an attribute that was not learnt at all has no answer. "
    "`checked` was measured without LocoGen: the rise of the training loss on held-out renders where these layers (own), all others "
    "(elsewhere), each of them alone (single) or all of them but one (without) are told something else, as a part of the rise where "
    "all layers are; `rise` is that one, as a part of the loss."
)


def answers(plan: Planting, layers: int = 16) -> list[Answer]:
    """What a configuration's planting makes true."""
    if plan.kind == "natural":
        return []
    if plan.kind == "everywhere":
        every = tuple(range(layers))
        return [Answer(attribute=name, layers=every, rule=EVERYWHERE) for name in ATTRIBUTES]
    told = [
        Answer(
            attribute=name,
            layers=tuple(plan.layers[name]),
            rule=ANY if name in plan.agreeing else ALL,
        )
        for name in ATTRIBUTES
        if name != "style" or not plan.artists
    ]
    return told + [
        Answer(attribute="style", layers=tuple(own), values=(artist,))
        for artist, own in plan.artists.items()
    ]


def entry(recipe: Recipe, model: Model, scores: Mapping[str, Any]) -> dict[str, Any]:
    """A model's entry of the file of answers; `scores` are its ``training/scores.json``."""
    checker, told = Checker(model), []
    for planned in answers(recipe.unet.planting, model.spec.layers):
        answer, found = learnt(checker, planned)
        if found.rise < LEARNT:
            continue
        facts: dict[str, Any] = {
            name: [round(one, 3) for one in part] if isinstance(part, tuple) else round(part, 3)
            for name, part in asdict(found).items()
        }
        known = asdict(answer) | {"layers": list(answer.layers), "values": list(answer.values)}
        if answer != planned:
            known["configured"] = list(planned.layers)
        told.append(known | {"checked": facts | {"planted": found.planted(answer.rule)}})
    return {
        "description": recipe.description,
        "base": recipe.unet.start if recipe.unet.trained == "attention" else recipe.name,
        "answers": told,
        "measured": scores["samples"],
    }


def learnt(checker: Checker, planned: Answer) -> tuple[Answer, Check]:
    """Where an attribute was learnt of what was planned: not in layers without which the others control it."""
    found = checker.check(planned)
    needed = [layer for layer, rest in zip(planned.layers, found.without) if rest < CONTROLS]
    if planned.rule != ALL or not needed or len(needed) == len(planned.layers):
        return planned, found
    answer = replace(planned, layers=tuple(needed))
    return answer, checker.check(answer)


def bundle(config: Path, folder: Path, out: Path = PLANTED) -> Planted:
    """Put a trained model of the benchmark where it belongs.

    Args:
        config: what it was trained from.
        folder: the pipeline that ``locolib train`` saved.
        out: the benchmark's folder.

    Raises:
        UserError: its attention alone was not what was trained, its pictures are too poor, or something is not where it was planted.
    """
    recipe = read_recipe(config)
    own = folder / "unet" / _OWN
    if not own.exists():
        raise UserError(f'{own} is not there: train {config} with trained = "attention" first.')
    scores = json.loads((folder / "training" / "scores.json").read_text(encoding="utf-8"))
    made = entry(recipe, load(recipe.unet.start, source=folder), scores)
    poor = [
        f"{name} {scores['samples'][name]:.2f} (at least {bar})"
        for name, bar in (("style", STYLES), ("object", OBJECTS))
        if scores["samples"][name] < bar
    ]
    poor += [
        f"{a['attribute']} is not there: {a['checked']}"
        for a in made["answers"]
        if not a["checked"]["planted"]
    ]
    there = {a["attribute"] for a in made["answers"]}
    poor += [f"{name} was not learnt" for name in ("style", "object") if name not in there]
    if poor:
        raise UserError(
            f"{recipe.name} is not good enough: {'; '.join(poor)}. Train it longer, or anew."
        )
    out.mkdir(parents=True, exist_ok=True)
    copyfile(own, out / f"{recipe.name}.safetensors")
    made |= {
        "weights": f"{recipe.name}.safetensors",
        "sha256": sha256(own.read_bytes()).hexdigest(),
    }
    _write(out, recipe.name, made)
    return read(recipe.name, made)


def bundled(out: Path = PLANTED) -> None:
    """Write the entries of the planted models that are whole pipelines of their own."""
    for name in [name for name, spec in MODELS.items() if spec.planted]:
        recipe = read_recipe(Path(__file__).parent / "configs" / f"{name}.toml")
        scores = json.loads(
            (ORGANISMS / name / "training" / "scores.json").read_text(encoding="utf-8")
        )
        _write(out, name, entry(recipe, load(name), scores) | {"base": name})


def _write(out: Path, name: str, made: Mapping[str, Any]) -> None:
    path = out / ANSWERS
    known = json.loads(path.read_text(encoding="utf-8"))["models"] if path.exists() else {}
    models = dict(sorted((known | {name: dict(made)}).items()))
    write_atomic(path, (json.dumps({"about": _ABOUT, "models": models}, indent=1) + "\n").encode())


if __name__ == "__main__":
    try:
        if len(sys.argv) == 3:
            print(bundle(Path(sys.argv[1]), Path(sys.argv[2])))
        else:
            bundled()
    except UserError as error:
        raise SystemExit(str(error)) from None
