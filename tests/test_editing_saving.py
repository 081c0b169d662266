"""Edits as files: kohya's names draw the same as diffusers', a weight goes from the plain model to the edit, nothing is overwritten."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from safetensors import safe_open

from locolib import UserError, models
from locolib.experiments import editing
from locolib.models import find
from locolib.prompts import about, read
from locolib.study import edit_options

FACTS = {"value": "van gogh", "attribute": "style", "layers": [8, 9], "verdict": "it does"}
PROMPT = "a house in the style of van gogh"


@pytest.fixture(params=["planted-sd-v1-5", "mini-sdxl"])
def edited(request, organisms, _random_models):
    """A random model, and an edit of it that is large enough to see."""
    model = _random_models[request.param]
    change = editing.locoedit(model, about(read("style"), "van gogh")[:4], (8, 9), tokens="onward")
    return model, change


def drawn(pipeline) -> np.ndarray:
    """One picture by plain diffusers."""
    pipeline.set_progress_bar_config(disable=True)
    return pipeline(
        PROMPT,
        num_inference_steps=2,
        output_type="np",
        generator=torch.Generator().manual_seed(0),
        height=64,
        width=64,
    ).images[0]


def fresh(organisms, model) -> DiffusionPipeline:
    return DiffusionPipeline.from_pretrained(organisms / model.name)


def test_a_weight_goes_from_the_plain_model_to_the_edit_in_both_forms(edited, organisms, tmp_path):
    model, change = edited
    editing.save_lora(model, change, tmp_path / "lora")
    editing.save_kohya(model, change, tmp_path / "kohya")
    assert (tmp_path / "kohya" / "kohya.safetensors").exists()
    editing.save_pipeline(model, change, tmp_path / "whole")
    unedited = fresh(organisms, model)
    plain = drawn(unedited)
    whole = DiffusionPipeline.from_pretrained(tmp_path / "whole")
    whole.scheduler = unedited.scheduler  # that of the study is saved with the edit
    whole = drawn(whole)
    assert np.abs(whole - plain).max() > 1e-3  # there is something to see
    pictures = {}
    for form in ("lora", "kohya"):
        pipeline = fresh(organisms, model)
        pipeline.load_lora_weights(tmp_path / form, adapter_name="edit")
        for weight in (1.0, 0.0, -1.0):
            if weight >= 0 or form == "kohya":
                pipeline.set_adapters("edit", weight)
                pictures[form, weight] = drawn(pipeline)
    for form in ("lora", "kohya"):
        assert np.abs(pictures[form, 1.0] - whole).mean() < 0.02 * np.abs(whole - plain).mean()
        assert np.allclose(pictures[form, 0.0], plain, atol=1e-5)
    turned = pictures["kohya", -1.0] - plain  # the other way
    assert np.isfinite(turned).all() and np.abs(turned).max() > 1e-3
    assert np.vdot(turned, whole - plain) < 0
    assert np.allclose(pictures["lora", 1.0], pictures["kohya", 1.0], atol=1e-4)


def test_kohyas_file_has_an_alpha_for_each_layer_that_is_its_rank(edited, tmp_path):
    model, change = edited
    rank = editing.save_kohya(model, change, tmp_path / "mine")
    with safe_open(tmp_path / "mine" / "mine.safetensors", "pt") as file:
        names = set(file.keys())
        ranks = [file.get_tensor(n).shape[0] for n in names if n.endswith("lora_down.weight")]
        alphas = [float(file.get_tensor(n)) for n in names if n.endswith(".alpha")]
    assert sorted(ranks) == sorted(alphas) and max(ranks) == rank
    assert len(alphas) == len(change.deltas) and all(n.startswith("lora_unet_") for n in names)
    assert all(n.count(".") <= 2 for n in names)


@pytest.mark.parametrize(
    "name, base",
    [
        ("sd-v1-5", "sd_v1"),
        ("openjourney", "sd_v1"),
        ("sd-v2-1", "sd_v2_v"),
        ("sdxl", "sdxl_base_v1-0"),
        ("mini-sdxl", "mini-sdxl"),
    ],
)
def test_the_header_says_what_and_where_and_for_which_base(name, base):
    class Named:
        spec = find(name)

    said = editing.header(Named, 3, FACTS, "no-van-gogh")
    assert said["ss_base_model_version"] == base
    assert said["ss_network_dim"] == said["ss_network_alpha"] == "3"
    assert json.loads(said["locolib"]) == FACTS
    assert "van gogh" in said["modelspec.description"] and "[8, 9]" in said["ss_training_comment"]
    assert all(isinstance(value, str) for value in said.values())
    assert ("modelspec.architecture" in said) is not find(name).bundled


def test_metadata_leave_the_tensors_as_they_are(edited, tmp_path):
    model, change = edited
    rank = editing.save_lora(model, change, tmp_path)
    file = tmp_path / "pytorch_lora_weights.safetensors"
    with safe_open(file, "pt") as opened:
        before = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    editing.annotate(file, editing.header(model, rank, FACTS, "mine"))
    with safe_open(file, "pt") as opened:
        assert opened.metadata()["ss_output_name"] == "mine"
        assert all(torch.equal(opened.get_tensor(name), part) for name, part in before.items())


def test_a_second_edit_into_a_folder_is_refused_without_force(tmp_path):
    place = ("lora", find("planted-sd-v1-5"), None)
    edit_options.check_place(tmp_path / "new", *place, False)
    (tmp_path / "E").mkdir()
    (tmp_path / "E" / "before_after.png").write_bytes(b"")  # what a refused edit leaves
    edit_options.check_place(tmp_path / "E", *place, False)
    for name in ("pytorch_lora_weights.safetensors", "model_index.json"):
        (tmp_path / "E" / name).write_bytes(b"")
        with pytest.raises(UserError, match="has .* already.*--force"):
            edit_options.check_place(tmp_path / "E", *place, False)
        edit_options.check_place(tmp_path / "E", *place, True)
        (tmp_path / "E" / name).unlink()


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("kind", edit_options.KINDS)
def test_the_source_is_never_written_over(tmp_path, monkeypatch, force, kind):
    spec = find("sd-v1-5")
    whole, file = tmp_path / "model", tmp_path / "files" / "tuned.safetensors"
    for path in (whole / "unet" / "w.safetensors", file):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    for source, out in (
        (whole, whole),
        (Path("model"), whole),
        (whole, whole / "unet"),
        (whole, Path("model/../model")),
        (file, file.parent),
        (None, models.ORGANISMS / "planted-sd-v1-5"),
    ):
        of = find("planted-sd-v1-5") if source is None else spec
        with pytest.raises(UserError, match="never overwrites"):
            edit_options.check_place(out, kind, of, source, force)


def test_deepfloyd_has_no_kohya_names(tmp_path):
    with pytest.raises(UserError, match="take --as lora"):
        edit_options.check_place(tmp_path / "a", "kohya", find("deepfloyd-if"), None, False)


def test_an_unknown_kind_is_one_sentence():
    with pytest.raises(UserError, match="--as must be one of lora, kohya, pipeline, not 'onnx'"):
        edit_options.check_options("spares", "auto", "onnx", 4)
