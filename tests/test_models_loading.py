"""Is a folder what its name says?  Answered before any weights are read, in one sentence."""

import json
import shutil

import pytest
import torch

from locolib import UserError, models
from locolib.models import loading


@pytest.fixture
def folder(random_organisms, tmp_path):
    """A copy of a random Stable Diffusion, to be spoilt."""
    return shutil.copytree(random_organisms / "mini-sd-v1-5", tmp_path / "copy")


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    "name, message",
    [
        ("mini-sdxl", "it is a StableDiffusionPipeline instead of a StableDiffusionXLPipeline"),
        ("mini-deepfloyd", "instead of a IFPipeline"),
        ("mini-sd-v2-1", "it predicts epsilon instead of v_prediction"),
        ("sd-v1-5", r"its text encoders are \[32\] wide instead of \[768\]"),
    ],
)
def test_another_model_than_the_name_says(organisms, folder, name, message):
    with pytest.raises(UserError, match=message):
        models.load(name, source=folder)


def test_another_number_of_layers(organisms, folder):
    edit(folder / "unet" / "config.json", layers_per_block=1)
    with pytest.raises(UserError, match="10 cross-attention layers instead of 16"):
        models.load("mini-sd-v1-5", source=folder)


def test_nothing_is_loaded_before_the_configuration_fits(organisms, folder, monkeypatch):
    monkeypatch.setattr(loading, "_from_pretrained", lambda *_: pytest.fail("weights were read"))
    edit(folder / "scheduler" / "scheduler_config.json", prediction_type="v_prediction")
    with pytest.raises(UserError, match="it predicts v_prediction"):
        models.load("mini-sd-v1-5", source=folder)


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda f: (f / "unet" / "config.json").unlink(), "FileNotFoundError"),
        (lambda f: (f / "unet" / "config.json").write_text("{"), "JSONDecodeError"),
        (
            lambda f: (f / "unet" / "diffusion_pytorch_model.safetensors").unlink(),
            "diffusion_pytorch_model",
        ),
    ],
    ids=["no configuration", "half a configuration", "no weights"],
)
def test_a_broken_folder_is_one_sentence(organisms, folder, spoil, message):
    spoil(folder)
    with pytest.raises(UserError, match=f"Cannot load mini-sd-v1-5 .*{message}") as caught:
        models.load("mini-sd-v1-5", source=folder)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(
        "pass another folder by --source, or none."
    )


@pytest.mark.parametrize(
    "name, advice",
    [
        ("scorer", "git checkout -- data/organisms/scorer"),
        ("ViT-no/such", "downloaded once from the hub"),
    ],
)
def test_a_scorer_that_is_not_here_says_where_it_comes_from(
    organisms, tmp_path, monkeypatch, name, advice
):
    monkeypatch.setattr(models.scorers, "ORGANISMS", tmp_path)
    with pytest.raises(UserError, match=advice):
        models.load_scorer(name)


def test_a_fine_tune_of_a_published_architecture_needs_no_code(organisms, folder, monkeypatch):
    """By --source: another folder of the same architecture, here with the widths of the random one."""
    monkeypatch.setattr(
        "locolib.models.architecture.architecture",
        lambda name: {"text_encoders": [{"hidden_size": 32}]},
    )
    assert models.load("sd-v1-5", source=folder).spec == models.find("sd-v1-5")


@pytest.mark.parametrize("name", [name for name, spec in models.MODELS.items() if not spec.bundled])
def test_a_published_checkpoint_that_is_not_here_is_one_sentence_and_no_wait(name, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match=f"Cannot load {name} .*--source") as caught:
        models.load(name)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_half_precision_files_are_found(organisms, folder):
    """A folder in the form of the hub's fp16 variants, as `save_pretrained(variant="fp16")` writes it."""
    for part in ("unet", "vae"):
        weights = folder / part / "diffusion_pytorch_model.safetensors"
        weights.rename(weights.with_name("diffusion_pytorch_model.fp16.safetensors"))
    encoder = folder / "text_encoder" / "model.safetensors"
    encoder.rename(encoder.with_name("model.fp16.safetensors"))
    assert models.load("mini-sd-v1-5", source=folder).unet.dtype == torch.float32
