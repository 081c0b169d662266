"""From a configuration to a folder: every kind of model, narrow and hardly trained, by the code that made the bundled ones."""

import tomllib
from pathlib import Path

import pytest
from diffusers import DiffusionPipeline

from locolib import UserError
from locolib.models import MODELS
from locolib.organisms import planting, recipe
from locolib.organisms.captions import Scene

CONFIGS = Path(recipe.__file__).parent / "configs"
SMALL = {
    "poses": 1,
    "steps": 2,
    "layers": 2,
    "width": 32,
    "heads": 2,
    "batch": 4,
    "vocabulary": 700,
    "decoder_steps": 1,
}
CHANNELS = {
    "sd-v1": [16, 16, 24, 24],
    "sd-v2": [16, 16, 24, 24],
    "sdxl": [16, 16, 24],
    "if": [16, 16, 32, 32],
}


def shrunk(config: dict) -> dict:
    """A recipe with few steps and narrow networks, its UNet from random weights."""
    parts = {
        name: {key: SMALL.get(key, value) for key, value in part.items()}
        if isinstance(part, dict)
        else part
        for name, part in config.items()
    }
    kind = parts["unet"]["kind"]
    length = {} if kind == "if" else {"full_length_from": 1}
    parts["unet"] |= {
        "channels": CHANNELS[kind],
        "start": "",
        "planting": config["unet"]["planting"],
        **length,
    }
    return parts


@pytest.mark.parametrize(
    "name", ["planted-sd-v1-5", "mini-sd-v2-1", "mini-openjourney", "mini-sdxl", "mini-deepfloyd"]
)
def test_a_recipe_makes_a_pipeline_that_plain_diffusers_samples_from(
    name, tmp_path, organisms, monkeypatch
):
    config = CONFIGS / f"{name}.toml"
    small = recipe.Recipe.model_validate(shrunk(tomllib.loads(config.read_text())))
    monkeypatch.setattr(recipe, "read_recipe", lambda _: small)
    monkeypatch.setattr(
        recipe,
        "scenes",
        lambda **_: [Scene(o, s, p) for o in (0, 6) for s in range(8) for p in range(2)],
    )
    monkeypatch.setattr(recipe, "ORGANISMS", organisms)
    monkeypatch.setattr(
        planting, "TEMPLATES", 1
    )  # one caption for a scene: the table of all of them is most of the work
    monkeypatch.setattr(
        recipe, "scores_of", lambda *_, **__: {"samples": {"object": 0.0, "style": 0.0}}
    )
    out = recipe.make(config, work=tmp_path / "work", out=tmp_path / "organisms" / name)
    assert (out / "training" / "unet.jsonl").exists() and f"# {name}" in (
        out / "README.md"
    ).read_text()
    modes = {path.stat().st_mode & 0o777 for path in out.parent.rglob("*") if path.is_file()}
    assert len(modes) == 1, "weights have the umask's permissions, as all else"
    pipeline = DiffusionPipeline.from_pretrained(out)
    pipeline.set_progress_bar_config(disable=True)
    assert type(pipeline).__name__ == MODELS[name].pipeline
    assert pipeline("a cat", num_inference_steps=2, output_type="np").images.ndim == 4


def test_another_seed_changes_the_unet_alone_and_never_the_bundled_model(tmp_path):
    config = CONFIGS / "planted-sd-v1-5.toml"
    again = recipe.reseeded(recipe.read_recipe(config), 77)
    assert again.unet.seed == 77 and again.text_encoder is again.vae is again.scorer is None
    assert again.borrow == dict.fromkeys(("text_encoder", "scorer", "vae"), "planted-sd-v1-5")
    again = recipe.reseeded(recipe.read_recipe(CONFIGS / "mini-sdxl.toml"), 77)
    assert again.text_encoder_2 is None and again.borrow["text_encoder_2"] == "mini-sdxl"
    with pytest.raises(UserError, match="--out"):
        recipe.make(config, work=tmp_path, seed=77)
