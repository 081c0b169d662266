"""Checks on what a layer reads: keys, positions of tokens, the order of layers (steps 1 to 3)."""

from typing import Any

from ...drawing.layers import sites
from ...drawing.text import positions
from .asking import Wrong, alike, kind, numbers, parts, unless
from .bench import Bench

LAYER = 3  # whose keys are asked for
BEHIND, SUBJECT = "in the style of van gogh, a view of a house", "van gogh"  # words stand behind


def keys(bench: Bench, answer: Any) -> None:
    """Step 1: the keys [positions, out] that a layer makes of a prompt.

    Raises:
        Wrong: what is wrong with them.
    """
    pair, module, found = bench.choosing[0], bench.modules[LAYER], numbers(answer, "The keys")
    states = bench.states(pair.original).double()
    key, value = (matrix.weight.detach().double() for matrix in (module.to_k, module.to_v))
    right = states @ key.T
    unless(
        found.shape == right.shape,
        [
            (
                alike(found, states),
                "These are the text states, which all layers are given alike; asked is what this layer makes of them.",
            ),
            (
                found.shape == right.T.shape,
                "It has a column for each token; a row for each token is asked for.",
            ),
            (
                found.shape[-1:] == right.shape[-1:],
                "It has not a row for each position: a layer makes a key of every position, padding included.",
            ),
        ],
        f"Its shape is {list(found.shape)}; asked is a row for each position of the prompt, as wide as the matrix has rows.",
    )
    others = [m for m in bench.modules if m is not module and m.to_k.weight.shape == key.shape]
    unless(
        alike(found, right),
        [
            (
                alike(found, states @ value.T),
                "These are the layer's values, which it passes on; its keys are those by which it decides where to look.",
            ),
            (
                any(alike(found, states @ m.to_k.weight.detach().double().T) for m in others),
                "These are the keys of another layer; layers are counted from 0.",
            ),
            (
                alike(found, bench.states(pair.target).double() @ key.T),
                "These are the keys of the target prompt; asked are those of the original one.",
            ),
        ],
        "The shape is right, the numbers are not: is it this prompt's text states, times this layer's matrix for keys?",
    )


def places(bench: Bench, answer: Any) -> None:
    """Step 2: positions of the subject's last token and of the end of the text.

    Raises:
        Wrong: what is wrong with them.
    """
    subject, end = parts(answer, 2, "(subject, end)")
    if not all(isinstance(part, int) and not isinstance(part, bool) for part in (subject, end)):
        raise Wrong(f"Positions are whole numbers, not {kind(subject)} and {kind(end)}.")
    at = positions(bench.model, BEHIND, SUBJECT)
    unless(
        subject == at.last_subject,
        [
            (
                subject == at.last_subject - 1 and end == at.eos - 1,
                "Both are one too small: position 0 is the start token's.",
            ),
            (
                subject == at.eos - 1,
                "The subject's position is that of the prompt's last word; words stand behind the subject here.",
            ),
            (
                subject in at.subject,
                "The subject's position is that of its first token, which has read nothing of what follows it.",
            ),
            (subject == at.eos, "The subject's position is that of the end of the text."),
        ],
        "The subject's position is not that of the last token of the artist's name.",
    )
    unless(
        end == at.eos,
        [
            (
                end == bench.model.tokens - 1,
                "The end's position is the last one of all: that is padding, which is written alike.",
            ),
            (end == at.eos - 1, "The end's position is that of the last word."),
        ],
        "The end's position is not that of the first token behind the words.",
    )


def order(bench: Bench, answer: Any) -> None:
    """Step 3: paths of the cross-attention modules, in the order in which a picture passes them.

    Raises:
        Wrong: what is wrong with them.
    """
    right, visited = (
        [site.path for site in sites(bench.unet)],
        [n for n, _ in bench.unet.named_modules()],
    )
    if not isinstance(answer, list | tuple) or not all(isinstance(one, str) for one in answer):
        raise Wrong(f"A list of paths is asked for, not {kind(answer)}.")
    found, listed = list(answer), set(answer)
    unless(
        listed == set(right) and len(found) == len(listed),
        [
            (
                any(name.endswith("attn1") for name in found),
                "Among them are modules in which the picture attends to itself: these read no text.",
            ),
            (
                any(name.endswith(("to_k", "to_v")) for name in found),
                "Among them are matrices; a layer has two of them and is counted once.",
            ),
            (len(found) != len(listed), "Some are named twice."),
            (listed < set(right), "Some of the modules that read text are missing."),
        ],
        "Among them are modules that do not read text.",
    )
    unless(
        found == right,
        [
            (
                found == sorted(right, key=visited.index),
                "This is the order in which the modules were written down; a picture passes the middle before it goes up.",
            ),
            (found == right[::-1], "This is the way back; a picture goes down first."),
        ],
        "All modules are there, but not in the order in which a picture passes them: down, middle, up.",
    )
