"""Where words stand among a prompt's tokens, told by their letters."""

import re

from ..models import Model


def by_letters(model: Model, prompt: str, words: str, first: int) -> list[tuple[int, ...]]:
    """Token positions of some words in a prompt, once for each time that they occur as whole words.

    T5 has other tokens for a word behind a bracket or a quote than for the same behind a space, so ids alone do not find it.

    Args:
        first: id of the prompt's first token, the start token or the first word.
    """
    text, wanted = model.spelt(prompt), re.escape(model.spelt(words).strip())
    starts = [start for _, _, start in model.pieces(prompt)]
    shift = int(first == model.tokenizer.bos_token_id)
    found = []
    for match in re.finditer(rf"(?<!\w){wanted}(?!\w)", text) if wanted else ():
        inside = [i for i, start in enumerate(starts) if match.start() <= start < match.end()]
        if match.start() and text[match.start() - 1].isspace() and match.start() - 1 in starts:
            inside = [starts.index(match.start() - 1), *inside]  # a token begins with its space
        ends = [*starts[inside[-1] + 1 :], len(text)] if inside else [0]
        if inside and not text[match.end() : ends[0]].strip():
            found.append(tuple(i + shift for i in inside))
    return found
