"""Token positions, from the tokenizer."""

import pytest

from locolib import UserError
from locolib.prompts import ATTRIBUTES, read
from locolib.text import positions, token_ids


def words(model, prompt, at):
    ids = token_ids(model, prompt)
    return model.tokenizer.convert_ids_to_tokens([ids[i] for i in at])


def test_the_last_subject_token_is_not_the_prompts_last(model):
    prompt = "monet style painting of a cat"
    found = positions(model, prompt, "monet")
    assert words(model, prompt, [found.last_subject]) == ["monet</w>"] and found.last_subject < found.eos - 1


def test_a_subject_of_several_tokens_is_whole(model):
    prompt = "a photo of the president of the united states in a city"
    found = positions(model, prompt, "president of the united states")
    assert words(model, prompt, found.subject) == ["president</w>", "of</w>", "the</w>", "united</w>", "states</w>"]


def test_end_and_padding(model):
    found = positions(model, "a cat", "cat")
    assert (found.eos, found.pads[0], found.pads[-1]) == (3, 4, 76)


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_every_prompt_of_the_study_holds_its_subject(model, attribute):
    for prompt in read(attribute):
        assert positions(model, prompt.original, prompt.subject).last_subject < 77


def test_a_missing_subject_is_refused(model):
    with pytest.raises(UserError, match="'dog' does not occur"):
        positions(model, "a cat", "dog")
