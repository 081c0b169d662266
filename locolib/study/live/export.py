"""The export: models, scorer, edits and choices as the files that the live page loads, below ``build/live``."""

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...drawing.layers import sites
from ...experiments.locogen import SEED
from ...models import ORGANISMS, Model, find, load, load_scorer
from ...store import Store, read_bytes, write_atomic
from . import answers, choices, graphs, packing, parts, runtime
from .changes import changes, ranked

MODELS = ("planted-sd-v1-5", "mini-sd-v1-5")
BITS = {"unet": 8, "memory": 8, "text": 8, "decoder": 8, "look": 8, "read": 8, "edit": 8}
MANIFEST = "manifest.json"
HERE = Path(__file__).parent


class Writer:
    """Files of an export: named by what they hold, so that equal ones are stored once."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.sizes = folder, dict[str, int]()
        self.graphs = dict[str, graphs.Graph]()  # of the models before, by part

    def put(self, stem: str, ending: str, data: bytes) -> str:
        """Write a file as gzip, which takes a tenth off and is unpacked in the browser; returns its name."""
        name = f"{stem}-{hashlib.sha256(data).hexdigest()[:12]}.{ending}.gz"
        if name not in self.sizes:
            packed = packing.zipped(data)
            write_atomic(self.folder / name, packed)
            self.sizes[name] = len(packed)
        return name

    def weights(self, stem: str, arrays: Sequence[np.ndarray], bits: int) -> dict[str, Any]:
        """Write a file of weights; returns its name, how its tensors are stored, and the bytes to load."""
        data, kinds = packing.file(arrays, bits)
        name = self.put(stem, "bin", data)
        return {"weights": name, "kinds": kinds, "bytes": self.sizes[name]}

    def part(self, part: parts.Part) -> dict[str, Any]:
        """Export a part."""
        before = self.graphs.get(part.name)
        graph = (before and graphs.reweighed(before, part)) or graphs.exported(part)
        self.graphs[part.name] = graph
        name = self.put(part.name, "onnx", graph.data)
        told = self.weights(part.name, graph.weights, BITS[part.name])
        return told | {"graph": name, "bytes": told["bytes"] + self.sizes[name]}


def export(
    folder: Path, names: Sequence[str] = MODELS, store: Store | None = None
) -> dict[str, Any]:
    """Write the live page's files; returns the manifest, which is one of them.

    Args:
        store: for the pictures of LocoGen's answers, most of which the study draws too (default: the study's).

    Raises:
        UserError: onnx or onnxscript are not installed, a model is not here, or the folder cannot be written.
    """
    for package in ("onnx", "onnxscript"):
        graphs.optional(package)
    writer, told = Writer(folder), dict[str, Any]()
    for name in names:
        model = load(name, device="cpu", dtype="float32")
        told[name] = _model(writer, model, store or Store())
    scorer = load_scorer(model.spec.scorer)
    shared = {part.name: writer.part(part) for part in parts.scorer_parts(scorer, model.side)}
    tokenizer = model.tokenizer.backend_tokenizer.to_str().encode()
    manifest = {
        "key": key(names),
        "weights": graphs.WEIGHTS,
        "models": told,
        "shared": shared,
        "scorer": scorer.name,
        "tokenizer": writer.put("tokenizer", "json", tokenizer),
        "world": choices.offered(),
        "runtime": runtime.told(),
        "seed": SEED,
    }
    manifest["bytes"] = sum(writer.sizes.values())
    write_atomic(folder / MANIFEST, json.dumps(manifest, separators=(",", ":")).encode())
    _swept(folder, {MANIFEST, *writer.sizes})
    return manifest


def _model(writer: Writer, model: Model, store: Store) -> dict[str, Any]:
    """A model's entry of the manifest."""
    edits = {}
    for one in changes(model, store):
        told = writer.weights("edit", one.deltas, BITS["edit"])
        edits[one.name] = told | {"value": one.value, "layers": one.layers, "by": one.by}
    first = sites(model.unet)
    heads = model.unet.get_submodule(first[0].path).heads
    return choices.about(model) | {
        "parts": {part.name: writer.part(part) for part in parts.parts(model)},
        "layers": [{"block": site.block, "scale": site.scale} for site in first],
        "heads": heads,
        "tokens": model.tokens,
        "width": first[0].shape[1],
        "latent": model.latent_shape,
        "side": model.side,
        "scheduler": {
            name: model.pipeline.scheduler.config[name]
            for name in (
                "beta_start",
                "beta_end",
                "num_train_timesteps",
                "steps_offset",
                "prediction_type",
            )
        },
        "edits": edits,
        "neurons": ranked(model),
        "firstOrder": answers.first_order(model),
        "swept": answers.swept(model, store),
    }


def _swept(folder: Path, keep: set[str]) -> None:
    """Take away what an earlier export left."""
    for path in folder.iterdir():
        if path.is_file() and path.name not in keep:
            path.unlink()


def key(names: Sequence[str]) -> str:
    """A hash of all that determines an export: weights, prompts, and the code that makes it."""
    folders = [ORGANISMS / source for name in names for source in find(name).sources]
    folders += [ORGANISMS / find(name).scorer for name in names]
    files = [path for folder in dict.fromkeys(folders) for path in sorted(folder.rglob("*"))]
    files += [*sorted(HERE.glob("*.py")), *sorted((HERE / "runtime").glob("*"))]
    files += sorted((HERE.parents[2] / "data" / "prompts").glob("*.csv"))
    found = hashlib.sha256()
    for path in files:
        if path.is_file():
            found.update(path.name.encode() + read_bytes(path))
    return found.hexdigest()[:16]


def made(folder: Path, names: Sequence[str] = MODELS, store: Store | None = None) -> dict[str, Any]:
    """The export below a folder: what is there, if it is of these weights and this code, else a new one."""
    try:
        manifest: dict[str, Any] = json.loads(read_bytes(folder / MANIFEST))
        if manifest["key"] == key(names):
            return manifest
    except (ValueError, KeyError, TypeError):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return export(folder, names, store)
