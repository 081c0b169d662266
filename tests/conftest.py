"""Fixtures: a tiny random model of the true architecture (relations need no knowledge), the bundled one, a store."""

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from jaxtyping import install_import_hook

# Axis names in signatures are checked in every test.
install_import_hook(
    ["locolib.models", "locolib.drawing.memory", "locolib.drawing.sampling", "locolib.scores"],
    "beartype.beartype",
)

import open_clip
import pytest
import torch
from transformers import CLIPTextModel, CLIPTextModelWithProjection, T5EncoderModel

from locolib import models
from locolib.models import registry
from locolib.organisms import autoencoder, contrast, networks, spans
from locolib.organisms.assemble import save_pipeline
from locolib.store import Store

ROOT = Path(__file__).resolve().parents[1]
TEXT = {"vocabulary": 700, "layers": 2, "width": 32, "heads": 2}
# One narrow random model for each family, under the names by which the registry knows them.
FAMILIES = {
    "planted-sd-v1-5": "sd-v1",
    "mini-sd-v1-5": "sd-v1",
    "mini-sd-v2-1": "sd-v2",
    "mini-sdxl": "sdxl",
    "mini-deepfloyd": "if",
}


def _parts(kind: str) -> dict:
    """Random modules and tokenizers of a kind of pipeline, by diffusers' names."""
    clip = contrast.build_tokenizer(TEXT["vocabulary"])
    if kind == "if":
        tokenizer = spans.build_tokenizer()
        return {
            "text_encoder": T5EncoderModel(spans.t5_config(tokenizer, TEXT)),
            "tokenizer": tokenizer,
            "unet": networks.build(kind, (16, 16, 32, 32), text_width=32, in_channels=3),
        }
    parts = {
        "text_encoder": CLIPTextModel(contrast.text_config(clip, TEXT)),
        "tokenizer": clip,
        "vae": autoencoder.build((8, 8, 8, 8), 4),
    }
    if kind == "sdxl":
        parts |= {
            "text_encoder_2": CLIPTextModelWithProjection(
                contrast.text_config(clip, TEXT | {"kind": "openclip"})
            ),
            "tokenizer_2": clip,
        }
    width = 64 if kind == "sdxl" else 32
    return parts | {
        "unet": networks.build(
            kind,
            (16, 16, 24) if kind == "sdxl" else (16, 16, 24, 24),
            text_width=width,
            in_channels=4,
        )
    }


@pytest.fixture(scope="session", autouse=True)
def learnt(tmp_path_factory) -> Iterator[Path]:
    """Revisions of sources that tests load are not kept in the user's store."""
    path = tmp_path_factory.mktemp("learnt") / "sources.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models.sources, "memory", lambda: path)
        yield path


@pytest.fixture(scope="session")
def random_organisms(tmp_path_factory) -> Path:
    """A folder like data/organisms with random weights: the true layers of each family, 16 channels wide."""
    folder = tmp_path_factory.mktemp("organisms")
    generator_state = torch.get_rng_state()
    torch.manual_seed(0)
    for name, kind in FAMILIES.items():
        save_pipeline(
            folder / name, kind=kind, prediction=registry.MODELS[name].prediction, **_parts(kind)
        )
    tokenizer = contrast.build_tokenizer(TEXT["vocabulary"])
    config = contrast.clip_config(len(tokenizer), TEXT)
    contrast.save_scorer(folder / "scorer", open_clip.CLIP(**config), config, tokenizer)
    torch.set_rng_state(generator_state)
    return folder


@pytest.fixture
def organisms(random_organisms, monkeypatch) -> Path:
    """The random models in place of the bundled ones."""
    monkeypatch.setattr(registry, "ORGANISMS", random_organisms)
    for module in (models.loading, models.scorers):
        monkeypatch.setattr(module, "ORGANISMS", random_organisms)
    models.load_scorer.cache_clear()
    yield random_organisms
    models.load_scorer.cache_clear()


@pytest.fixture(scope="session")
def _random_model(random_organisms):
    return models.load("planted-sd-v1-5", source=random_organisms / "planted-sd-v1-5")


@pytest.fixture
def model(organisms, _random_model):
    return _random_model


@pytest.fixture(scope="session")
def _random_models(random_organisms):
    return {
        name: models.load(name, source=random_organisms / name)
        for name in FAMILIES
        if name != "mini-sd-v1-5"
    }


@pytest.fixture(params=[name for name in FAMILIES if name != "mini-sd-v1-5"])
def any_model(request, organisms, _random_models):
    """A random model of each family in turn."""
    return _random_models[request.param]


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture(scope="module")
def browser() -> Iterator:
    """Debian's chromium without a window; for one module at a time, because playwright keeps an event loop running."""
    if not (chromium := shutil.which("chromium")):
        pytest.skip("there is no chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        with driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"]) as opened:
            yield opened


@pytest.fixture(scope="module")
def axe(request) -> str:
    """axe-core's script: fetched from npm once and kept in pytest's cache."""
    folder = request.config.cache.mkdir("axe-core")
    if not list(folder.glob("axe-core-4.*.tgz")):
        if not (npm := shutil.which("npm")):
            pytest.skip("axe-core comes from npm, and there is no npm")
        command = [npm, "pack", "axe-core@4", "--pack-destination", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if done.returncode:
            pytest.skip(f"npm cannot fetch axe-core: {done.stderr.strip().splitlines()[-1:]}")
    with tarfile.open(max(folder.glob("axe-core-4.*.tgz"))) as package:
        return package.extractfile("package/axe.min.js").read().decode()


@pytest.fixture(scope="module")
def served() -> Iterator[Callable[[Path], str]]:
    """``served(folder)``: the address of a plain web server of a folder, for one module of tests."""
    servers = []

    def serve(folder: Path) -> str:
        handler = partial(Quiet, directory=str(folder))
        servers.append(server := ThreadingHTTPServer(("127.0.0.1", 0), handler))
        Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


class Quiet(SimpleHTTPRequestHandler):
    """The server of `make serve`, which says nothing."""

    def log_message(self, *said: object) -> None:
        pass


@pytest.fixture(scope="session")
def study_folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="session")
def smoke(random_organisms, study_folder) -> Callable[[], str]:
    """``smoke()`` runs the smoke study of the random models, in one folder for all tests, and returns what it printed."""
    root = study_folder / "build"
    code = f"from pathlib import Path; from locolib.study.runner import study; study(profile='smoke', root=Path({str(root)!r}))"

    def run() -> str:
        environment = os.environ | {
            "LOCOLIB_ORGANISMS": str(random_organisms),
            "LOCOLIB_STORE": str(study_folder / "store"),
        }
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=ROOT
        )
        assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-2000:]
        return done.stdout

    return run


@pytest.fixture(scope="session")
def site(smoke, study_folder) -> Path:
    """The rendered site of that study: minutes."""
    smoke()
    return study_folder / "build" / "site"
