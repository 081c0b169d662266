"""What the live page offers: subjects, manners and places of the miniatures' world, ready prompts, known words."""

import re
from typing import Any

import pandas as pd

from ...models import Model
from ...prompts import (
    ATTRIBUTES,
    GENERIC_COLUMNS,
    choose,
    generic_of,
    read,
    read_csv,
    read_generic,
    read_styled,
)

WORD = re.compile(r"[^\W_]+")
READY = {"style": 12, "object": 12, "fact": 4, "place": 6}  # prompts of the study on the menu


def subjects() -> list[dict[str, str]]:
    """Every object of the world: its name, and its name with an article, as prompts say it."""
    table: pd.DataFrame = read_csv(generic_of(True), GENERIC_COLUMNS)
    first = table.drop_duplicates("object")
    return [
        {"name": name, "spoken": prompt.removesuffix(f" in a {place}")}
        for prompt, name, place in zip(first.prompt, first.object, first.location)
    ]


def places() -> list[str]:
    """The four places of App. L."""
    table: pd.DataFrame = read_csv(generic_of(True), GENERIC_COLUMNS)
    return list(dict.fromkeys(table.location))


def artists() -> list[str]:
    """The painters of the study's prompts."""
    return list(dict.fromkeys(prompt.value for prompt in read("style")))


def swaps(attribute: str) -> dict[str, str]:
    """What each value of objects or facts becomes in its target, by the prompts that are nothing but the value."""
    return {
        prompt.value: prompt.target for prompt in read(attribute) if prompt.original == prompt.value
    }


def words() -> list[str]:
    """All words of the study's prompts in the miniatures' world: what a reader may type."""
    texts = [*read_generic(), *("a photo of a view of an image",)]
    texts += [text for prompt in read_styled() for text in (prompt.prompt, prompt.plain)]
    for attribute in ATTRIBUTES:
        texts += [text for prompt in read(attribute) for text in (prompt.original, prompt.target)]
    return sorted({word for text in texts for word in WORD.findall(text.lower())})


def ready() -> list[dict[str, str]]:
    """Some of the study's prompts, as LocoGen asks them."""
    return [
        {
            "attribute": attribute,
            "original": prompt.original,
            "target": prompt.target,
            "scored": prompt.scored,
        }
        for attribute, count in READY.items()
        for prompt in choose(read(attribute), count)
    ]


def offered() -> dict[str, Any]:
    """All of that, for the page's script."""
    return {
        "subjects": subjects(),
        "artists": artists(),
        "places": places(),
        "objects": swaps("object"),
        "facts": swaps("fact"),
        "words": words(),
        "ready": ready(),
    }


def about(model: Model) -> dict[str, Any]:
    """What the page says of a model: its title, how it is sampled, the layers that were planted or the paper names."""
    spec = model.spec
    return {
        "title": spec.title,
        "planted": spec.planted,
        "guidance": spec.guidance,
        "steps": spec.steps,
        "known": {attribute: list(window) for attribute, window in spec.paper.items()},
    }
