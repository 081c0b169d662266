"""Corrupted prompts, restored states and dropped neurons: relations for each family (random weights, the true layers)."""

import pytest
import torch
from rounding import assert_same, close

from locolib.drawing.hooks import recording, replacing
from locolib.drawing.memory import Altered, Dropped, Row, TextMemory
from locolib.drawing.sampling import Settings, denoise
from locolib.drawing.text import Corrupted, encode, positions
from locolib.models import text_states

pytestmark = pytest.mark.computing

SETTINGS = Settings(steps=3, guidance=4.0, batch=16)
PROMPT, SUBJECT = "a cat in a beach", "cat"


@pytest.fixture
def model(any_model):
    return any_model


def latents(model, rows, settings=SETTINGS):
    return denoise(model, rows, settings, TextMemory(model))


def corrupted(size=3.0, **more):
    return Corrupted(prompt=PROMPT, subject=SUBJECT, size=size, seed=7, **more)


def test_no_noise_is_the_clean_prompt(model):
    assert close(encode(model, corrupted(0.0)).states, encode(model, PROMPT).states)
    assert not close(encode(model, corrupted()).states, encode(model, PROMPT).states)


def test_noise_comes_from_its_seed(model):
    assert torch.equal(encode(model, corrupted()).states, encode(model, corrupted()).states)
    other = Corrupted(prompt=PROMPT, subject=SUBJECT, size=3.0, seed=8)
    assert not close(encode(model, corrupted()).states, encode(model, other).states)


def test_only_a_bidirectional_encoder_tells_earlier_words(model):
    before = slice(0, positions(model, PROMPT, SUBJECT).subject[0])
    same = close(
        encode(model, corrupted()).states[:, before], encode(model, PROMPT).states[:, before]
    )
    assert same == (model.sampler != "ddpm")


def test_every_text_state_can_be_restored(model):
    layers = model.pipeline.text_encoder.config.num_hidden_layers
    found = text_states(model.pipeline)
    assert len([s for s in found if s.encoder == "text_encoder"]) == 2 * layers
    assert [s.layer for s in found if s.kind == "mlp" and s.encoder == "text_encoder"] == list(
        range(layers)
    )
    plain = encode(model, corrupted()).states
    assert any(
        not close(encode(model, corrupted(restored=state, where="all")).states, plain)
        for state in found
    )


def test_restoring_what_comes_out_restores_the_image(model):
    clean, broken, restored = latents(
        model,
        [
            Row(prompt=PROMPT, seed=1),
            Row(prompt=corrupted(), seed=1),
            Row(prompt=corrupted(), seed=1, restored="conv_out"),
        ],
    )
    assert close(restored, clean) and not close(broken, clean)


def test_a_restored_row_alone_is_the_same_row_in_a_batch(model):
    rows = [
        Row(prompt=corrupted(), seed=i, restored=path)
        for path in ("mid_block", "conv_in")
        for i in (1, 2)
    ]
    together = latents(model, rows)
    for row, made in zip(rows, together):
        assert_same(latents(model, [row])[0], made)


def test_restoring_what_text_has_not_reached_changes_little(model):
    """The first convolution sees the noise alone at the first step."""
    one = Settings(steps=1, guidance=4.0)
    broken, restored = latents(
        model,
        [Row(prompt=corrupted(), seed=1), Row(prompt=corrupted(), seed=1, restored="conv_in")],
        one,
    )
    assert close(broken, restored)


def test_dropping_nothing_changes_nothing(model):
    rows = [
        Row(prompt=PROMPT, seed=1),
        Row(prompt=PROMPT, seed=1, changes=(Dropped(layer=3, matrix="value", neurons=()),)),
    ]
    plain, dropped = latents(model, rows)
    assert_same(plain, dropped)


def test_dropped_neurons_are_set_in_the_conditional_branch_alone(model):
    memory = TextMemory(model)
    change = Dropped(layer=3, matrix="value", neurons=(0, 9), values=(0.0, 2.5))
    rows = [Row(prompt=PROMPT, seed=1, changes=(change,)), Row(prompt=PROMPT, seed=2)]
    _, values, _ = memory.gather(rows, guided=True)
    _, plain, _ = memory.gather([Row(prompt=PROMPT, seed=1)] * 2, guided=True)
    flat, whole = (
        v[3].transpose(1, 2).flatten(2) for v in (values, plain)
    )  # [rows, tokens, neurons]
    assert torch.equal(flat[[0, 1, 3]], whole[[0, 1, 3]])
    assert (flat[2, :, 0] == 0).all() and (flat[2, :, 9] == 2.5).all()
    kept = [i for i in range(whole.shape[-1]) if i not in (0, 9)]
    assert torch.equal(flat[2, :, kept], whole[2, :, kept])
    assert torch.equal(values[4], plain[4])


def test_altering_every_position_alters_the_layer(model):
    every = tuple(range(77))
    whole, placed, none = latents(
        model,
        [
            Row(
                prompt=PROMPT,
                seed=1,
                changes=(Altered(layers=(2, 3), prompt="a dog", positions=at),),
            )
            for at in ((), every, (0,))
        ],
    )
    assert_same(whole, placed)
    assert not close(whole, none)


def test_what_is_placed_at_every_position_is_what_is_gathered(model):
    """The same bytes in the same layout: it is the place in the batch that makes the images of the test above differ in their last bits."""
    changed = (
        Altered(layers=(2, 3), prompt="a dog", positions=at) for at in ((), tuple(range(77)))
    )
    gathered, placed = (
        TextMemory(model).gather([Row(prompt=PROMPT, seed=1, changes=(change,))], guided=True)[:2]
        for change in changed
    )
    for one, other in zip((*gathered[0], *gathered[1]), (*placed[0], *placed[1])):
        assert torch.equal(one, other) and one.stride() == other.stride()


def test_a_causal_encoders_first_token_says_nothing(model):
    """Of two prompts the start token's state is the same, unless the encoder reads both ways (T5 begins with the first word)."""
    one = Row(
        prompt=PROMPT,
        seed=1,
        changes=(Altered(layers=tuple(range(model.spec.layers)), prompt="a dog", positions=(0,)),),
    )
    plain, altered = latents(model, [Row(prompt=PROMPT, seed=1), one])
    assert close(plain, altered) == (model.sampler != "ddpm")


def test_hooks_leave_no_trace(model):
    layer = model.unet.conv_in
    with replacing(layer, lambda x: x + 1), recording({"in": layer}) as states:
        latents(model, [Row(prompt=PROMPT, seed=1)])
    assert set(states) == {"in"} and not layer._forward_hooks
