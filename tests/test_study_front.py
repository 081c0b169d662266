"""The front page's pictures and figure: what LocoGen found, in words that hold whatever it found."""

import re
from dataclasses import replace

import numpy as np
import pytest

from locolib.drawing.sampling import Settings
from locolib.experiments import locogen
from locolib.experiments.locogen import Request
from locolib.models import MODELS
from locolib.prompts import read
from locolib.scores import Interval
from locolib.study.front import places, strip


@pytest.fixture
def swept(model, store):
    asked = Request(
        prompts=read("style")[:2], seeds=locogen.seeds(1), settings=Settings(steps=1, guidance=1.0)
    )
    return locogen.sweep(model, asked, 2, store=store), asked, store


def interval(value: float) -> Interval:
    return Interval(value=value, low=value - 0.1, high=value + 0.1)


@pytest.mark.parametrize(
    "verdict, says",
    [
        ("localised", "LocoGen finds it in layers 8-9.</strong>"),
        ("inconclusive", "settles on no window"),
        ("not localised", "no such window is enough"),
        ("no effect", "changes nothing"),
    ],
)
def test_the_finding_is_four_pictures_and_a_sentence(swept, verdict, says):
    done, asked, store = swept
    told = replace(
        done.verdict, verdict=verdict, start=8, share=interval(0.9), margin=interval(0.5)
    )
    text = strip(replace(done, verdict=told), asked, MODELS["planted-sd-v1-5"], store=store).data
    alts = re.findall(r'<img src="data:image/webp;base64,[^"]+" alt="([^"]+)"', text)
    assert (
        len(alts) == 4
        and "nothing altered" in alts[0]
        and "layers 8-9 altered" in alts[1]
        and "all 16 layers altered" in alts[3]
    )
    other = locogen.labelled(re.search(r"layers ([\d-]+) altered", alts[2])[1])
    assert not set(other) & {8, 9} and says in text and "nan" not in text
    assert ("does 0.90 [0.80, 1.00] of" in text and "0.50 [0.40, 0.60]" in text) == (
        verdict != "no effect"
    )


def test_a_sweep_of_which_no_share_is_defined_has_pictures_too(swept):
    done, asked, store = swept
    text = strip(
        replace(done, curve=done.curve.assign(share=np.nan)),
        asked,
        MODELS["planted-sd-v1-5"],
        store=store,
    ).data
    assert text.count("<img") == 4


def row(
    attribute: str, verdict: str, found: str, paper: str, outcome: str = "not settled", **more
) -> dict:
    return {
        "model": "A",
        "attribute": attribute,
        "m": 2,
        "paper": paper,
        "found": found,
        "verdict": verdict,
        "about": "these 6 artists",
        "held out": "8 prompts",
        "smallest m": "2",
        "sizes searched": "1, 2",
        "share": "0.90",
        "its share": "0.40",
        "overlap": "0 of 2 layers",
        "by chance": "0.07",
        "tie": False,
        "outcome": outcome,
    } | more


def test_each_model_and_attribute_is_a_line_with_words():
    rows = [
        row("style", "localised", "8-9", "8-9", "held"),
        row("object", "localised", "4-5", "6-7"),
        row("fact", "not localised", "1-2", "6-7"),
    ]
    text = places(rows, {"A": 16}).data
    words = re.sub("<[^>]*>", "", text)
    assert (
        text.count('class="loco-line"') == 3
        and "layers 8-9; as in the paper" in words
        and "layers 4-5; paper: 6-7" in words
    )
    assert (
        "no window is enough; paper: 6-7" in words
        and "left:50.00%;width:12.50%" in text
        and "layers 0 to 15" in text
    )


def test_what_the_paper_does_not_place_is_said():
    text = re.sub(
        "<[^>]*>",
        "",
        places(
            [
                row(
                    "style", "no effect", "8-9", "depends on the prompt", "nothing to compare with"
                ),
                row("fact", "inconclusive", "8-9", "not said", "nothing to compare with"),
            ],
            {"A": 22},
        ).data,
    )
    assert (
        "altering changes nothing; paper: it depends" in text
        and "not settled (best: 8-9); paper: not said" in text
    )


def test_a4_the_front_page_counts_three_outcomes_and_says_ties():
    rows = [
        row("style", "localised", "8-10", "8-9", "held", overlap="2 of 2 layers"),
        row("object", "localised", "9-10", "8-9", "held", tie=True),
        row("fact", "localised", "4-5", "6-7", "did not hold"),
    ]
    words = re.sub("<[^>]*>", "", places(rows, {"A": 16}).data)
    assert "Of the 3 places" in words and "2 held" in words and "1 did not hold" in words
    assert "as in the paper (8-9: nested)" in words and "as in the paper (8-9: tied)" in words
    assert "unlike the paper (6-7)" in words and "0 are not settled" in words
