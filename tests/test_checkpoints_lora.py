"""LoRAs on top of a model, and a fingerprint that is true whenever it is asked for."""

from dataclasses import replace

import pytest
import torch
from diffusers import DDIMScheduler, DiffusionPipeline
from diffusers.utils import convert_state_dict_to_kohya
from rounding import assert_same
from safetensors.torch import load_file, save_file

from locolib import UserError, models
from locolib.drawing.layers import sites
from locolib.drawing.memory import Row, TextMemory
from locolib.drawing.sampling import Settings, denoise, generate
from locolib.models.fingerprint import _KNOWN, fingerprint

SETTINGS = Settings(steps=2, guidance=3.0)
A = "a house in the style of van gogh"


def latents(model):
    return denoise(model, [Row(prompt=A, seed=1)], SETTINGS, TextMemory(model))


def factors(module, generator, size=0.3):
    out, into = module.weight.shape
    return size * torch.randn(2, into, generator=generator), torch.randn(
        out, 2, generator=generator
    )


def lora(model, text=True):
    """A LoRA of the cross-attention's keys and of the text encoder's first attention, by diffusers' names."""
    generator, found = torch.Generator().manual_seed(0), {}
    for site in sites(model.unet):
        found[f"unet.{site.key}"] = factors(model.unet.get_submodule(site.key), generator)
    if text:
        encoder = model.pipeline.text_encoder
        inside = "text_model." if hasattr(encoder, "text_model") else ""
        for matrix in ("q_proj", "k_proj", "v_proj", "out_proj"):
            path = f"encoder.layers.0.self_attn.{matrix}"
            module = encoder.get_submodule(inside + path)
            found[f"text_encoder.text_model.{path}"] = factors(module, generator)
    return {
        f"{name}.lora_{letter}.weight": matrix.contiguous()
        for name, pair in found.items()
        for letter, matrix in zip("AB", pair)
    }


@pytest.fixture
def file(tmp_path):
    def write(weights, name="lora.safetensors"):
        save_file(weights, tmp_path / name, {"format": "pt"})
        return tmp_path / name

    return write


@pytest.mark.parametrize("name", ["mini-sd-v1-5", "mini-sdxl", "mini-deepfloyd"])
def test_a_lora_is_merged_as_diffusers_applies_it(organisms, file, name):
    plain = models.load(name)
    path = file(lora(plain, text=name == "mini-sd-v1-5"))
    merged = models.load(name, lora=path)
    assert merged.fingerprint != plain.fingerprint and "lora.safetensors@" in merged.source
    assert not any("lora" in key for key in merged.unet.state_dict())
    plain.pipeline.load_lora_weights(path.parent, weight_name=path.name)
    for site in sites(merged.unet):
        weight = plain.unet.get_submodule(site.key).get_delta_weight("default_0")
        before = plain.unet.get_submodule(site.key).base_layer.weight
        assert_same(merged.unet.get_submodule(site.key).weight, before + weight)
    assert torch.isfinite(latents(merged)).all()


def test_kohyas_names_are_read(organisms, file):
    weights = lora(models.load("mini-sd-v1-5"))
    kohya = convert_state_dict_to_kohya(weights)
    assert all(key.startswith("lora_") for key in kohya)
    one = models.load("mini-sd-v1-5", lora=file(weights))
    other = models.load(
        "mini-sd-v1-5",
        lora=file({k: w.contiguous() for k, w in kohya.items()}, "kohya.safetensors"),
    )
    assert_same(latents(one), latents(other))
    assert one.source != other.source


def test_kohyas_names_of_sdxls_blocks_are_read(organisms, file):
    """They count blocks as the original code does, and not as diffusers."""
    model, generator = models.load("mini-sdxl"), torch.Generator().manual_seed(0)
    path = "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"
    module = model.unet.get_submodule(path)
    down, up = factors(module, generator)
    stem = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k"
    weights = {
        f"{stem}.lora_down.weight": down,
        f"{stem}.lora_up.weight": up,
        f"{stem}.alpha": torch.tensor(1.0),
    }
    merged = models.load("mini-sdxl", lora=file(weights))
    assert_same(merged.unet.get_submodule(path).weight, module.weight + 0.5 * up @ down)


@pytest.mark.parametrize("name", ["mini-sdxl", "mini-sd-v2-1", "mini-deepfloyd"])
def test_a_lora_of_another_model_is_one_sentence(organisms, file, name):
    path = file(
        {k: w for k, w in lora(models.load("mini-sd-v1-5")).items() if "mid" in k or "text" in k}
    )
    if name == "mini-sd-v2-1":  # the same shapes here, as in no published model: make it another
        path = file(
            {k: torch.cat([w, w], 1) if ".lora_A." in k else w for k, w in load_file(path).items()}
        )
    with pytest.raises(UserError, match="does not fit this model") as caught:
        models.load(name, lora=path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["hada_w1_a", "lokr_w1", "dora_scale", "diff"])
def test_kinds_that_diffusers_does_not_read_are_refused(organisms, file, kind):
    weights = lora(models.load("mini-sd-v1-5"), text=False)
    name = next(iter(weights)).removesuffix(".lora_A.weight")
    more = {f"{name}.{kind}": torch.ones(2, 2)}
    for given in (more, weights | more):
        with pytest.raises(
            UserError,
            match="holds no LoRA that diffusers reads|of a kind that diffusers does not read",
        ):
            models.load("mini-sd-v1-5", lora=file(given))


@pytest.mark.parametrize("name", ["lora.bin", "nowhere.safetensors", ""])
def test_what_is_no_lora_file_is_refused_before_anything_is_loaded(
    organisms, tmp_path, monkeypatch, name
):
    monkeypatch.setattr(models.loading, "_pipeline", lambda *_: pytest.fail("something was loaded"))
    (tmp_path / "lora.bin").write_bytes(b"cos\nsystem\n")
    with pytest.raises(UserError, match="is not one .safetensors file of a LoRA"):
        models.load("mini-sd-v1-5", lora=tmp_path / name)


# Fingerprints.


def added(model, path="unet.conv_in.bias"):
    part, _, rest = path.partition(".")
    return getattr(model.pipeline, part).get_parameter(rest)


def in_place(model):
    with torch.no_grad():
        added(model).add_(1)


def through_data(model):
    added(model).data += 1


def another_tensor(model):
    added(model).data = added(model).data + 1


def scheduler(model):
    model.pipeline.scheduler = DDIMScheduler.from_config(
        model.pipeline.scheduler.config, steps_offset=0
    )


def scale(model):
    model.pipeline.vae.register_to_config(scaling_factor=2.0)


def encoder(model):
    with torch.no_grad():
        added(model, "text_encoder.encoder.layers.0.mlp.fc1.bias").add_(1)


@pytest.mark.parametrize(
    "change", [in_place, through_data, another_tensor, scheduler, scale, encoder]
)
def test_what_changes_the_pictures_changes_the_fingerprint(organisms, store, change):
    model, rows = models.load("mini-sd-v1-5"), [Row(prompt=A, seed=1)]
    before, first = model.fingerprint, generate(model, rows, SETTINGS, store=store)
    assert model.fingerprint == before
    change(model)
    assert model.fingerprint != before
    second = generate(model, rows, SETTINGS, store=store)
    assert (
        first != second
    ).any() or change is scheduler  # two steps of random weights may look alike
    fresh = models.load("mini-sd-v1-5")
    assert fresh.fingerprint == before
    assert (generate(fresh, rows, SETTINGS, store=store) == first).all()


def test_a_lora_on_the_pipeline_and_its_strength_change_the_fingerprint(organisms, file):
    model = models.load("mini-sd-v1-5")
    seen = [model.fingerprint]
    model.pipeline.load_lora_weights(file(lora(model)), adapter_name="own")
    seen.append(model.fingerprint)
    model.pipeline.set_adapters(["own"], [0.5])
    seen.append(model.fingerprint)
    model.pipeline.disable_lora()
    seen.append(model.fingerprint)
    assert len(set(seen)) == 4
    model.pipeline.unload_lora_weights()
    assert model.fingerprint == seen[0]


def test_only_what_has_changed_is_hashed_again(organisms, monkeypatch):
    model, hashed = models.load("mini-sd-v1-5"), []
    model.fingerprint  # noqa: B018
    own = models.fingerprint._hash
    monkeypatch.setattr(
        models.fingerprint, "_hash", lambda weight: hashed.append(weight) or own(weight)
    )
    assert model.fingerprint == replace(model).fingerprint and not hashed
    in_place(model)
    model.fingerprint  # noqa: B018
    assert len(hashed) == 1


def test_the_layout_and_the_place_of_weights_do_not_count(organisms, tmp_path):
    model = models.load("mini-sd-v1-5")
    before = model.fingerprint
    model.unet.to(memory_format=torch.contiguous_format)
    assert model.fingerprint == before
    model.pipeline.save_pretrained(tmp_path / "copy")
    again = DiffusionPipeline.from_pretrained(tmp_path / "copy")
    assert replace(model, pipeline=again).fingerprint == before


def test_what_is_known_of_a_module_goes_with_it():
    layer = torch.nn.Linear(2, 2)
    fingerprint([layer])
    known = len(_KNOWN)
    del layer
    assert len(_KNOWN) == known - 1


def test_marks_tell_models_apart_and_restored_weights_are_the_same_model(organisms):
    model = models.load("mini-sd-v1-5")
    assert replace(model, marks=("edited",)).fingerprint != model.fingerprint
    before, old = model.fingerprint, added(model).detach().clone()
    in_place(model)
    with torch.no_grad():
        added(model).copy_(old)
    assert model.fingerprint == before
