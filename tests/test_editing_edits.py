"""Edits: relations that must hold whatever the weights know, for each family (random weights, the true layers)."""

import math

import pytest
import torch
from diffusers import DiffusionPipeline
from rounding import assert_same, close

from locolib import UserError
from locolib.drawing.layers import sites
from locolib.drawing.memory import Row, TextMemory
from locolib.drawing.sampling import Settings, denoise
from locolib.drawing.text import pairs, positions, token_ids
from locolib.experiments import editing
from locolib.experiments.editing import locoedit
from locolib.prompts import Prompt, reworded
from locolib.prompts import read as read_prompts

pytestmark = pytest.mark.computing

SETTINGS = Settings(steps=3, guidance=4.0, batch=16)
MONET = Prompt(
    attribute="style",
    original="monet style painting of a cat",
    target="a painting of a cat",
    scored="monet style painting of a cat",
    subject="monet",
    value="monet",
    source="K.1",
)
STYLE, FACT = read_prompts("style")[:3], read_prompts("fact")[:2]


@pytest.fixture
def model(any_model):
    return any_model


def weights(model):
    return {name: weight.clone() for name, weight in model.unet.named_parameters()}


def latents(model, prompt="a cat in the style of monet"):
    return denoise(model, [Row(prompt=prompt, seed=1)], SETTINGS, TextMemory(model))


def test_edit_and_restore_is_bit_identical(model):
    before, plain = weights(model), latents(model)
    change = locoedit(model, STYLE, (4, 5))
    with editing.applied(model, change) as edited:
        assert edited.fingerprint != model.fingerprint
        assert not close(latents(edited), plain)
    assert all(torch.equal(weight, before[name]) for name, weight in model.unet.named_parameters())
    assert torch.equal(latents(model), plain)


def test_weights_are_restored_after_an_error(model):
    before = weights(model)
    with pytest.raises(RuntimeError), editing.applied(model, locoedit(model, STYLE, (4,))):
        raise RuntimeError
    assert all(torch.equal(weight, before[name]) for name, weight in model.unet.named_parameters())


def test_only_keys_and_values_of_the_layers_change(model):
    change = locoedit(model, STYLE, (4, 5))
    every = sites(model.unet)
    assert set(change.deltas) == {
        f"unet.{path}.weight" for i in (4, 5) for path in (every[i].key, every[i].value)
    }
    with editing.applied(model, locoedit(model, STYLE, ())) as edited:
        assert_same(latents(edited), latents(model))


def test_an_edited_key_is_the_targets(model):
    """With a small lambda and fewer keys than dimensions, the equations are solved exactly."""
    change = locoedit(model, FACT, (3,), lambda_=1e-9)
    site = sites(model.unet)[3]
    ((x, y),) = editing.keys(model, editing.told(model, FACT, "subject"), [3])
    weight = model.unet.get_submodule(site.value).weight
    told, wanted = x @ (weight + change.deltas[f"unet.{site.value}.weight"]).T, y @ weight.T
    torch.testing.assert_close(told, wanted, atol=1e-3 * float(wanted.detach().abs().max()), rtol=0)


def test_closed_form_is_the_papers(model):
    """W = (X'X + lambda I)^-1 (X'Y + lambda W^), Y = X_target W^, in the paper's convention (rows times W)."""
    x, y = torch.randn(2, 6, 32, generator=torch.Generator().manual_seed(0)).double()
    old = torch.randn(32, 8, generator=torch.Generator().manual_seed(1)).double()
    new = torch.linalg.solve(
        x.T @ x + 0.01 * torch.eye(32, dtype=x.dtype), x.T @ (y @ old) + 0.01 * old
    )
    solved = editing.ridge(x, y, 0.01)
    p, condition = solved.left @ solved.right, solved.condition
    torch.testing.assert_close(solved.delta(old.T), (p @ old).T)
    torch.testing.assert_close(old + p @ old, new)
    assert condition == pytest.approx(
        float(torch.linalg.cond(x.T @ x + 0.01 * torch.eye(32, dtype=x.dtype))), rel=1e-6
    )
    many = torch.cat(
        [x] * 8
    )  # more keys than dimensions: the other form, and eight times the keys is an eighth of lambda
    again = editing.ridge(many, torch.cat([y] * 8), 0.08)
    torch.testing.assert_close(again.left @ again.right, p)


def test_equal_keys_and_targets_change_nothing():
    x = torch.randn(6, 32, generator=torch.Generator().manual_seed(0))
    assert not editing.ridge(x, x, 0.01).delta(torch.ones(4, 32)).any()


def test_lora_gives_the_edited_image_in_plain_diffusers(model, tmp_path):
    change = locoedit(model, STYLE, (4, 5, 6), tokens="subject")
    with editing.applied(model, change) as edited:
        wanted = latents(edited)
    rank = editing.save_lora(model, change, tmp_path / "lora")
    assert 1 <= rank <= len(STYLE)
    editing.save_pipeline(model, locoedit(model, STYLE, ()), tmp_path / "plain")
    plain = DiffusionPipeline.from_pretrained(
        tmp_path / "plain", dtype=torch.float32, safety_checker=None
    )
    plain.scheduler = model.pipeline.scheduler
    plain.load_lora_weights(tmp_path / "lora")
    plain.set_progress_bar_config(disable=True)
    generator = model.generator(1)
    own = (
        {"clean_caption": False, "output_type": "pt"}
        if model.sampler == "ddpm"
        else {"latents": model.noise(generator)[None], "output_type": "latent"}
    )
    found = plain(
        "a cat in the style of monet",
        num_inference_steps=3,
        guidance_scale=4.0,
        generator=[generator],
        **own,
    ).images
    assert_same(found, wanted)


def test_a_saved_pipeline_is_the_edited_one(model, tmp_path):
    change = locoedit(model, STYLE, (4,))
    editing.save_pipeline(model, change, tmp_path)
    again = DiffusionPipeline.from_pretrained(tmp_path, dtype=torch.float32, safety_checker=None)
    path, delta = next(iter(change.deltas.items()))
    name = path.removeprefix("unet.")
    assert torch.equal(again.unet.get_parameter(name), model.unet.get_parameter(name) + delta)


def test_pairs_of_tokens(model):
    here, there = token_ids(model, MONET.original), token_ids(model, MONET.target)
    subject = positions(model, MONET.original, "monet").last_subject
    (pair,) = pairs(model, MONET, "subject")
    assert pair[0] == subject
    assert model.tokenizer.convert_ids_to_tokens([there[pair[1]]]) != [model.tokenizer.eos_token]
    assert here[pair[0] + 2 :][:4] == there[pair[1] + 1 :][:4], (
        "the words after the subject are paired with each other"
    )
    (last,) = pairs(model, MONET, "last")
    assert here[last[0]] == there[last[1]] and here[last[0] + 1] == model.tokenizer.eos_token_id
    assert pairs(model, MONET, "all") == [(i, i) for i in range(77)]
    onward = pairs(model, STYLE[0], "onward")
    assert (
        onward[0] == pairs(model, STYLE[0], "subject")[0]
        and onward[1] == pairs(model, STYLE[0], "eos")[0]
    )


WORDS = {"6.1": "painting", "5.1.1": "painting", "plain": "house", "bare": "painting"}


@pytest.mark.parametrize("wording", WORDS)
def test_a2_the_subject_is_paired_with_the_targets_subject(model, wording):
    """Section 6.1: "gogh" acts like "painting" in every prompt, and not like "house", "field", "garden"."""
    for prompt in reworded(STYLE[:1] if wording == "plain" else STYLE, wording):
        ((here, there),) = pairs(model, prompt, "subject")
        ids = token_ids(model, prompt.original), token_ids(model, prompt.edit_target)
        assert [ids[0][here]] == [model.pieces("van gogh")[-1][0]]
        assert [ids[1][there]] == [model.pieces(WORDS[wording])[-1][0]]
    assert [line[1] for line in editing.told(model, STYLE, "subject")] == [
        prompt.original.replace("van gogh", "a painting") for prompt in STYLE
    ]


def test_a2_a_subject_that_occurs_twice_is_the_one_in_the_artists_place(model):
    (prompt,) = reworded([MONET], "5.1.1")
    assert prompt.edit_target == "painting style painting of a cat"
    ((_, there),) = pairs(model, prompt, "subject")
    assert there == pairs(model, MONET, "subject")[0][0]


@pytest.mark.parametrize(
    "given, words",
    [
        ({"layers": (99,)}, "Layer 99 is outside the model"),
        ({"tokens": "first"}, "Unknown tokens 'first'"),
        ({"lambda_": 0.0}, "lambda must be above 0"),
        ({"prompts": ()}, "no prompts"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_cannot_be_done_is_said(model, given, words):
    with pytest.raises(UserError, match=words):
        locoedit(model, **{"prompts": STYLE, "layers": (4,)} | given)


def test_warnings_of_extraordinary_edits(model):
    assert "next to nothing" in locoedit(model, STYLE, ()).warning()
    big = {"unet.x.weight": torch.ones(2, 2)}
    assert (
        editing.Edit(
            method="a", deltas=big, sizes={"unet.x.weight": 20.0}, condition=1.0, seconds=0.0
        ).warning()
        == ""
    )  # size is no damage
    assert (
        "condition"
        in editing.Edit(
            method="a", deltas=big, sizes={"unet.x.weight": 0.1}, condition=1e12, seconds=0.0
        ).warning()
    )
    assert (
        editing.Edit(
            method="a", deltas=big, sizes={"unet.x.weight": 0.1}, condition=math.nan, seconds=0.0
        ).warning()
        == ""
    )


def test_deepfloyd_reads_its_states_behind_a_norm(any_model):
    """Its matrices read what a norm of the layer's own, over tokens too, makes of the text states: that is what an edit must map."""
    ((keys, _),) = editing.keys(any_model, editing.told(any_model, STYLE[:1], "all"), [5])
    assert close(keys, any_model.encode([STYLE[0].original]).states[0]) == (
        any_model.sampler != "ddpm"
    )
