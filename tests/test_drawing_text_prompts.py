"""Token positions, from the tokenizer."""

import warnings
from dataclasses import replace

import pytest

from locolib import Notice, UserError
from locolib.drawing.text import (
    check_prompts,
    positions,
    read_and_cut,
    special,
    token_ids,
    warn_unread,
)
from locolib.prompts import ATTRIBUTES, Prompt, read

MONET = Prompt(
    attribute="style",
    original="a house in the style of monet",
    target="a painting of a house",
    scored="a house in the style of monet",
    subject="monet",
    value="monet",
    source="me",
    row=7,
)
LONG = "a house " * 40  # 80 tokens


def words(model, prompt, at):
    ids = token_ids(model, prompt)
    return model.tokenizer.convert_ids_to_tokens([ids[i] for i in at])


def test_the_last_subject_token_is_not_the_prompts_last(model):
    prompt = "monet style painting of a cat"
    found = positions(model, prompt, "monet")
    assert (
        words(model, prompt, [found.last_subject]) == ["monet</w>"]
        and found.last_subject < found.eos - 1
    )


def test_a_subject_of_several_tokens_is_whole(model):
    prompt = "a photo of the president of the united states in a city"
    found = positions(model, prompt, "president of the united states")
    assert words(model, prompt, found.subject) == [
        "president</w>",
        "of</w>",
        "the</w>",
        "united</w>",
        "states</w>",
    ]


def test_end_and_padding(model):
    found = positions(model, "a cat", "cat")
    assert (found.eos, found.pads[0], found.pads[-1]) == (3, 4, 76)


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_every_prompt_of_the_study_holds_its_subject_and_is_read_whole(any_model, attribute):
    prompts = read(attribute)
    check_prompts(any_model, prompts)
    for prompt in prompts:
        assert positions(any_model, prompt.original, prompt.subject).last_subject < 77
        assert (
            read_and_cut(any_model, prompt.original)[1]
            == read_and_cut(any_model, prompt.target)[1]
            == read_and_cut(any_model, prompt.edit_target)[1]
            == ""
        )


def test_a_missing_subject_is_refused(model):
    with pytest.raises(UserError, match="'dog' does not occur"):
        positions(model, "a cat", "dog")


# --- what is not read


@pytest.mark.parametrize(
    "prompt, subject", [("a cat by Van Gogh", "van gogh"), ("a cat by van gogh", "Van Gogh")]
)
def test_capitals_do_not_hide_a_subject(any_model, prompt, subject):
    """DeepFloyd's tokenizer tells capitals apart, and is not told of them."""
    found = positions(any_model, prompt, subject)
    assert (
        found.subject == positions(any_model, "a cat by van gogh", "van gogh").subject
        and len(found.subject) == 2
    )


def test_a_prompt_is_read_as_far_as_the_encoder_goes(any_model):
    """77 tokens with those that mark its ends: CLIP's two, T5's one."""
    room = 76 if any_model.sampler == "ddpm" else 75
    assert read_and_cut(any_model, "house " * room) == (any_model.spelt("house " * room), "")
    text, behind = read_and_cut(any_model, "house " * room + "cat by monet")
    assert text == "house " * room and behind == "cat by monet"
    assert token_ids(any_model, text) == token_ids(any_model, text + behind)  # so it is indeed


def test_a_word_that_is_cut_in_two_is_not_read(model):
    text, behind = read_and_cut(model, "house " * 74 + "r2d2")
    assert text.endswith("house r") and behind == "2d2"


@pytest.mark.parametrize(
    "texts, words",
    [
        (
            ["a house <|endoftext|> in the style of monet"],
            [
                "reads '<|endoftext|>' in 'a house <|endoftext|> in the style of monet' as a sign of its own"
            ],
        ),
        (["a <|startoftext|> cat"], ["reads '<|startoftext|>'"]),
        (
            [LONG + "by monet"],
            ["never these words at the end of one: 'house a house a house by monet'"],
        ),
        ([LONG + "by monet"] * 3, ["by monet"]),
        (["a cat", "", "wow! a caf\u00e9, 50% of r2d2's"], []),
    ],
    ids=["end", "start", "long", "once each", "nothing"],
)
def test_what_is_written_by_hand_and_not_read_is_told(model, texts, words, capfd):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        warn_unread(model, texts)
    assert len(told) == len(words) and all(warning.category is Notice for warning in told)
    assert all(
        word in str(warning.message) and "\n" not in str(warning.message)
        for word, warning in zip(words, told)
    )
    assert capfd.readouterr().err == ""  # no line of the tokenizer's own


def test_special_tokens_are_those_of_the_models_own_tokenizer(any_model):
    t5 = any_model.sampler == "ddpm"
    assert special(any_model, "a cat </s> by monet") == ("</s>" if t5 else "")
    assert special(any_model, "a cat <|endoftext|> by monet") == ("" if t5 else "<|endoftext|>")
    assert (
        special(any_model, "caf\u00e9 \u732b ~ {}!") == ""
    )  # letters that a tokenizer does not know were not written as special ones


@pytest.mark.parametrize(
    "changes, words",
    [
        (
            {"original": "a house <|endoftext|> in the style of monet"},
            "column 'original': planted-sd-v1-5 reads '<|endoftext|>' as a sign of its own",
        ),
        (
            {"target": "a painting <|endoftext|> of a house"},
            "column 'target': planted-sd-v1-5 reads '<|endoftext|>'",
        ),
        (
            {"target": "a house in the style of  Monet"},
            "column 'target': .* 'a house in the style of  Monet' is the same as the original",
        ),
        (
            {"original": f"{LONG}in the style of monet"},
            "column 'original': planted-sd-v1-5 reads 77 tokens, and 'monet' stands behind them; shorten",
        ),
        (
            {"original": f"monet {LONG}house with a cat", "subject": "cat"},
            "column 'original': .* and 'cat' stands behind them",
        ),
        (
            {"original": f"{'house ' * 74}van gogh", "value": "van gogh", "subject": "van gogh"},
            "column 'original': .* and 'van gogh' stands behind them",
        ),
        (
            {"target": f"{LONG}by claude"},
            "column 'target': .* and 'house a house a house by claude' stands behind them",
        ),
        ({"subject": "mone"}, "column 'subject': 'mone' is no whole word of the original"),
        (
            {"edit_target": "a painting <|endoftext|> of a house"},
            "column 'edit_target': planted-sd-v1-5 reads '<|endoftext|>'",
        ),
        (
            {"target_subject": "paint"},
            "column 'target_subject': 'paint' is no whole word of what an edit is told",
        ),
    ],
    ids=[
        "end in the original",
        "end in the target",
        "same tokens",
        "value behind",
        "subject behind",
        "half the value behind",
        "target behind",
        "half a word",
        "end in the edit's target",
        "half a word of the target",
    ],
)
def test_a_prompt_of_which_what_counts_is_not_read_is_refused(model, changes, words):
    prompt = replace(MONET, **changes)
    with pytest.raises(UserError, match=f"^own.csv, row 7, {words}") as caught:
        check_prompts(model, [prompt], "own.csv")
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="^Prompt '"):
        check_prompts(model, [prompt])


def test_a_tail_that_says_nothing_may_be_cut(model):
    check_prompts(
        model,
        [
            replace(
                MONET,
                original=f"monet style painting of {LONG}by a lake",
                target=f"painting of {LONG}by a lake",
            )
        ],
        "own.csv",
    )


@pytest.mark.parametrize(
    "prompt",
    [
        "a house by (monet), at night",
        'a house by "monet"',
        "a house by 'monet' at night",
        "[monet] style painting of a house",
        "a house by monet",
    ],
)
def test_a_subject_in_brackets_or_quotes_is_found(any_model, prompt):
    """T5 has other tokens for a word that follows a sign than for one that follows a space."""
    at = positions(any_model, prompt, "monet").subject
    tokens = any_model.tokenizer.convert_ids_to_tokens(token_ids(any_model, prompt))
    read = "".join(tokens[i] for i in at).replace("</w>", "").strip("▁")
    assert read == "monet" and at == tuple(range(at[0], at[-1] + 1))


@pytest.mark.parametrize("words", ["mone", "onet"])
def test_a_part_of_a_word_is_not_found(any_model, words):
    with pytest.raises(UserError, match="does not occur"):
        positions(any_model, "a house by (monet), at night", words)
