"""Relations that must hold whatever the weights know, for each family (random weights, the true layers)."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from rounding import assert_same, assert_same_picture, close

from locolib import UserError
from locolib.drawing import sampling
from locolib.drawing.layers import sites
from locolib.drawing.memory import Altered, KeysValues, Row, TextMemory
from locolib.drawing.sampling import Settings, denoise, generate
from locolib.models.attention import WHOLE, project

pytestmark = pytest.mark.computing

SETTINGS = Settings(steps=3, guidance=4.0, batch=16)
A, B = "a house in the style of van gogh", "a painting of a house"


def latents(model, rows, settings=SETTINGS):
    return denoise(model, rows, settings, TextMemory(model))


@pytest.fixture
def model(any_model):
    """Every relation of this file is asked of every family."""
    return any_model


def everything(model):
    return tuple(range(model.spec.layers))


def diffusers_output(model, prompts, seeds, settings, negative=None, output_type="latent"):
    """What diffusers' own pipeline gives: the same first noise, and for a stochastic sampler the same generators."""
    generators = [model.generator(seed) for seed in seeds]
    if model.sampler == "ddpm":  # no latents: the pixels themselves
        own = {
            "generator": generators,
            "clean_caption": False,
            "output_type": "pt" if output_type == "latent" else output_type,
        }
    else:
        own = {
            "latents": torch.stack([model.noise(g) for g in generators]),
            "output_type": output_type,
        }
    return model.pipeline(
        prompts,
        negative_prompt=negative,
        num_inference_steps=settings.steps,
        guidance_scale=settings.guidance,
        **own,
    ).images


@pytest.mark.parametrize("guidance", [1.0, 4.0], ids=["unguided", "guided"])
def test_sampler_equals_diffusers_pipeline(model, guidance):
    settings = Settings(steps=4, guidance=guidance)
    ours = latents(model, [Row(prompt=A, seed=1), Row(prompt=B, seed=2)], settings)
    theirs = diffusers_output(model, [A, B], [1, 2], settings)
    assert_same(ours, theirs)


def test_negative_prompt_equals_diffusers_pipeline(model):
    ours = latents(model, [Row(prompt=A, seed=1, negative="a cat")])
    theirs = diffusers_output(model, [A], [1], SETTINGS, negative=["a cat"])
    assert_same(ours, theirs)


def test_images_equal_diffusers_pipeline(model):
    ours = generate(model, [Row(prompt=A, seed=1)], SETTINGS)[0]
    theirs = diffusers_output(model, [A], [1], SETTINGS, output_type="np")[0]
    assert_same_picture(ours, np.round(255 * theirs))


def test_empty_alteration_is_the_untouched_row(model):
    plain, empty = (
        latents(model, [Row(prompt=A, seed=3)]),
        latents(model, [Row(prompt=A, seed=3, changes=(Altered(layers=(), prompt=B),))]),
    )
    assert_same(plain, empty)


def test_altering_all_layers_is_the_targets_own_image(model):
    altered = latents(
        model,
        [Row(prompt=A, seed=3, changes=(Altered(layers=everything(model), prompt=B),), pooled=B)],
    )
    assert_same(altered, latents(model, [Row(prompt=B, seed=3)]))


def test_what_bypasses_the_layers_is_the_rows_own_unless_told_otherwise(model):
    """Altering all layers is not the target's own image where text has another way (SDXL, DeepFloyd), and only there."""
    plain, altered, pooled = latents(
        model,
        [
            Row(prompt=B, seed=3),
            Row(prompt=A, seed=3, changes=(Altered(layers=everything(model), prompt=B),)),
            Row(prompt=A, seed=3, pooled=B),
        ],
    )
    bypass = model.encode([A]).pooled is not None
    assert bypass == (model.spec.name in ("mini-sdxl", "mini-deepfloyd"))
    assert close(plain, altered) == (not bypass)
    assert close(pooled, latents(model, [Row(prompt=A, seed=3)])[0]) == (not bypass)


def test_altering_with_the_own_prompt_changes_nothing(model):
    altered = latents(model, [Row(prompt=A, seed=3, changes=(Altered(layers=(4, 5), prompt=A),))])
    assert_same(altered, latents(model, [Row(prompt=A, seed=3)]))


def test_two_alterations_compose(model):
    once = Row(prompt=A, seed=3, changes=(Altered(layers=(4, 5, 6), prompt=B),))
    twice = Row(
        prompt=A, seed=3, changes=(Altered(layers=(4, 5), prompt=B), Altered(layers=(6,), prompt=B))
    )
    undone = Row(prompt=A, seed=3, changes=(*once.changes, Altered(layers=(4, 5, 6), prompt=A)))
    assert_same(latents(model, [once]), latents(model, [twice]))
    assert_same(latents(model, [undone]), latents(model, [Row(prompt=A, seed=3)]))


def test_every_layer_matters(model):
    """Each index reaches another layer: no two single-layer alterations give the same image, none gives the clean one."""
    rows = [Row(prompt=A, seed=3)] + [
        Row(prompt=A, seed=3, changes=(Altered(layers=(i,), prompt=B),)) for i in everything(model)
    ]
    made = latents(model, rows).flatten(1)
    distances = torch.cdist(made, made, compute_mode="donot_use_mm_for_euclid_dist") + torch.eye(
        len(rows)
    )  # exact for many rows too
    assert distances.min() > 0


def test_a_row_in_a_batch_of_16_is_the_row_alone(model):
    rows = [
        Row(
            prompt=[A, B, "a cat"][i % 3],
            seed=i,
            negative=["", "a dog"][i % 2],
            changes=(Altered(layers=(i,), prompt=B),),
        )
        for i in range(16)
    ]
    together = latents(model, rows)
    alone = torch.cat([latents(model, [row]) for row in rows])
    assert_same(together, alone)


def test_order_of_rows_does_not_matter(model):
    rows = [Row(prompt=A, seed=i) for i in range(4)]
    assert_same(latents(model, rows[::-1]).flip(0), latents(model, rows))


def test_cached_keys_and_values_are_what_the_projections_give(model):
    row = Row(prompt=A, seed=0, changes=(Altered(layers=(8, 9), prompt=B),))
    keys, values, _ = TextMemory(model).gather([row], guided=True)
    for site in sites(model.unet):
        module = model.unet.get_submodule(site.path)
        for branch, prompt in enumerate(["", B if site.index in (8, 9) else A]):
            key, value = project(module, model.encode([prompt]).states)
            assert_same(keys[site.index][branch], key[0])
            assert_same(values[site.index][branch], value[0])


@pytest.mark.parametrize("guidance", [1.0, 4.0], ids=["unguided", "guided"])
def test_tokens_that_fill_up_registers_are_not_seen(model, guidance, monkeypatch):
    """Their keys and values do not matter, and without them the latents are the same."""
    settings, rows = replace(SETTINGS, guidance=guidance), [Row(prompt=A, seed=1)]
    ours, filled = latents(model, rows, settings), sampling.filled
    seen = []

    def otherwise(keys, values):
        *told, bias = filled(keys, values)
        tokens, more = keys[0].shape[2], told[0][0].shape[2]
        assert more % WHOLE == 0 and bias.shape == (1, more)
        for part in told:
            for each in part:
                assert not each[:, :, tokens:].any()
                each[:, :, tokens:] = 5.0
        seen.append(more - tokens)
        return *told, bias

    monkeypatch.setattr(sampling, "filled", otherwise)
    assert_same(latents(model, rows, settings), ours)
    monkeypatch.setattr(sampling, "filled", lambda keys, values: (keys, values))
    assert_same(latents(model, rows, settings), ours)
    assert seen == [3]


def test_the_unet_is_left_as_it_was(model):
    before = {
        name: module.processor
        for name, module in model.unet.named_modules()
        if hasattr(module, "processor")
    }
    weights = {k: v.clone() for k, v in model.unet.state_dict().items()}
    with pytest.raises(RuntimeError), KeysValues(model.unet):
        raise RuntimeError("in the middle")
    latents(model, [Row(prompt=A, seed=0)])
    assert before == {
        name: module.processor
        for name, module in model.unet.named_modules()
        if hasattr(module, "processor")
    }
    assert all(torch.equal(v, weights[k]) for k, v in model.unet.state_dict().items())


def test_no_global_randomness_is_used(model):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    generate(model, [Row(prompt=A, seed=0)], SETTINGS)
    assert torch.equal(before, torch.get_rng_state())


def test_a_layer_outside_the_model_is_refused(model):
    last = model.spec.layers - 1
    with pytest.raises(UserError, match=f"Layer {last + 1} .* 0 to {last}"):
        generate(
            model,
            [Row(prompt=A, seed=0, changes=(Altered(layers=(last, last + 1), prompt=B),))],
            SETTINGS,
        )


@pytest.mark.parametrize("bad", [{"steps": 0}, {"guidance": 0.5}, {"batch": 0}], ids=str)
def test_bad_settings_are_refused(bad):
    with pytest.raises(UserError):
        Settings(**bad)
