"""Fixtures: a tiny random model of the true architecture (relations need no knowledge), the bundled one, a store."""

from pathlib import Path

from jaxtyping import install_import_hook

# Axis names in signatures are checked in every test.
install_import_hook(["locolib.models", "locolib.memory", "locolib.sampling", "locolib.scores"], "beartype.beartype")

import open_clip
import pytest
import torch
from transformers import CLIPTextModel

from locolib import models
from locolib.models import registry
from locolib.organisms import autoencoder, contrast, denoiser
from locolib.organisms.assemble import save_pipeline
from locolib.runs import Store

TEXT = {"vocabulary": 700, "layers": 2, "width": 32, "heads": 2}


@pytest.fixture(scope="session")
def random_organisms(tmp_path_factory) -> Path:
    """A folder like data/organisms with random weights: SD-v1-5's 16 layers, 16 channels wide."""
    folder = tmp_path_factory.mktemp("organisms")
    generator_state = torch.get_rng_state()
    torch.manual_seed(0)
    tokenizer = contrast.build_tokenizer(TEXT["vocabulary"])
    text = CLIPTextModel(contrast.text_config(tokenizer, TEXT))
    vae, unet = autoencoder.build((8, 8, 8, 8), 4), denoiser.build((16, 16, 24, 24), 4, TEXT["width"])
    save_pipeline(folder / "planted-sd-v1-5", vae=vae, text_encoder=text, tokenizer=tokenizer, unet=unet, prediction="epsilon")
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


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "store")
