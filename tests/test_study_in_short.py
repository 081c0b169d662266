"""Every page says at its top in two sentences what was asked and found; what was found is read from what the page kept."""

import re

import nbformat
import pandas as pd
import pytest

from locolib import claims
from locolib.claims import FAILED, HELD, OPEN
from locolib.study import in_short
from locolib.study.pages import HOME, PAGES


def source(page: str) -> str:
    """The code of a page's notebook."""
    cells = nbformat.read(HOME / PAGES[page].source, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "code")


@pytest.mark.parametrize("page", PAGES)
def test_every_notebook_has_a_question_and_something_that_answers_it(page):
    """Claims that it keeps, or values that it glues under the names that the sentence reads."""
    asked = in_short.ASKED[page]
    assert asked.endswith("?") and asked.count("?") == 1 and ". " not in asked
    assert ("{title}" in asked) <= bool(PAGES[page].each)
    if page in in_short.OF_ALL:
        assert "claims_.table(" in source(page)
    elif page not in in_short.FOUND:
        assert re.search(r"\bclaims_?\.keep\(", source(in_short.KEPT_BY.get(page, page)))


class Glued(dict):
    """Values for whatever a sentence reads, which are remembered."""

    def __missing__(self, name: str) -> str:
        self[name] = f"the {name}"
        return self[name]


@pytest.mark.parametrize("page", in_short.FOUND)
@pytest.mark.parametrize("kind", ["simulated ratings", "ratings"])
def test_what_a_sentence_reads_is_glued_by_the_notebook(page, kind):
    glued = Glued(kind=kind)
    said = in_short.FOUND[page](glued)
    named = set(re.findall(r'glue\("(\w+)"', source(page)))
    assert said and not said.endswith(".") and set(glued) - {"kind"} <= named
    for name in set(glued) & {"pictures", "switch_short", "pairs", "first_words"}:
        assert glued[name] in said


def claim(text: str, number: str, outcome: str, name: str = "mini-sd-v1-5", **more: str) -> dict:
    told = {"claim": text, "number": number, "outcome": outcome, "name": name, "section": "6"}
    return told | {"page": "03_locoedit", "origin": ""} | more


def test_claims_are_counted_and_the_papers_own_come_first():
    told = [
        claim("our question", "1.00", HELD, section="ours"),
        claim("the paper's", "2.00 [1, 3] points (8 matter); more", HELD),
        claim("another", "0.00", OPEN),
    ]
    assert (
        in_short.of_claims(told)
        == "of 3 claims 2 held, such as “the paper's” (2.00 [1, 3] points); 1 is not settled"
    )
    assert in_short.of_claims(told[2:]) == "of 1 claims 1 is not settled, such as “another” (0.00)"
    assert in_short.of_claims(told, examples=False) == "of 3 claims 2 held; 1 is not settled"
    assert "no claim" in in_short.of_claims([])


PLACES = [
    claim(
        "style: in layers 8-9, and LocoGen says so (these 6 artists)",
        "localised, layers 8-10, share 0.80 [0.62, 0.93]; share there 0.76",
        HELD,
    ),
    claim(
        "object: in layers 6-7, and LocoGen says so (12 objects as they come)",
        "localised, layers 11, share 0.93 [0.87, 0.98]; share there 0.00",
        FAILED,
    ),
    claim(
        "place: planted in layers 3 and 12, and LocoGen says so (these 4 places)",
        "not localised, layers 3-6, share 0.15 [-0.12, 0.44] (12 prompts)",
        HELD,
    ),
]


def test_places_are_said_with_what_was_claimed_and_what_was_found():
    assert in_short.of_places(PLACES) == (
        "style: the paper says layers 8-9, LocoGen finds layers 8-10 (held); "
        "object: the paper says layers 6-7, LocoGen finds layer 11 (did not hold); "
        "place: planted in layers 3 and 12, LocoGen says “not localised” (held)"
    )


def test_places_in_many_models_are_counted():
    names = ("a", "b", "c", "d")
    many = [one | {"name": name} for name in names for one in PLACES[:2]]
    said = in_short.of_places(many)
    assert said.endswith("for style in 4 of 4, for object in 0 of 4")


def executed(*glued: tuple[str, str]) -> str:
    """A page's executed copy that glued some values."""
    cells = [nbformat.v4.new_markdown_cell("# A title\n\n> A quote")]
    for name, text in glued:
        data = {"application/papermill.record/text/plain": text}
        output = nbformat.v4.new_output(
            "display_data", data, metadata={"scrapbook": {"name": name}}
        )
        cells.append(nbformat.v4.new_code_cell("", outputs=[output]))
    return nbformat.writes(nbformat.v4.new_notebook(cells=cells))


def top(text: str) -> str:
    return nbformat.reads(text, as_version=4).cells[0].source


def test_both_sentences_stand_below_the_title():
    table = pd.DataFrame(
        [
            claim("here", "1", HELD),
            claim("another model's", "1", FAILED, name="mini-sdxl"),
            claim("another machine's", "1", FAILED, origin="a lab"),
            claim("another page's", "1", FAILED, page="04_neuron_editing"),
        ],
        columns=list(claims.COLUMNS),
    )
    made = top(in_short.with_short(executed(), "03_locoedit", "mini-sd-v1-5", table)).split("\n\n")
    assert made[0] == "# A title" and made[-1].endswith("> A quote")
    assert "**Asked:** Can Stable Diffusion v1.5 (miniature) be edited" in made[1]
    assert made[2].startswith("**Found:** Of 1 claims 1 held, such as “here” (1).")


def test_a_page_without_claims_says_what_it_glued():
    empty = pd.DataFrame(columns=list(claims.COLUMNS))
    glued = [
        ("pictures", "128"),
        ("object_right", "'0.98 [0.93, 0.99]'"),
        ("style_right", "'1.00'"),
    ]
    made = in_short.with_short(executed(*glued), "model", "mini-sdxl", empty)
    assert "**Found:** Of its 128 pictures 0.98 [0.93, 0.99] show the object" in top(made)


def test_a_page_that_glued_nothing_stays_as_it_is():
    empty = pd.DataFrame(columns=list(claims.COLUMNS))
    before = executed()
    assert in_short.with_short(before, "switchboard", "", empty) == before


@pytest.mark.slow
def test_every_notebook_of_the_site_says_both_sentences(site):
    shown = [path for page in PAGES for path in site.rglob(f"{page}*.html")]
    shown = [path for path in shown if "_static" not in path.parts and "api" not in path.parts]
    assert len(shown) >= len(PAGES)
    for path in shown:
        text = path.read_text(encoding="utf-8")
        if "This page has not been run" in text:  # its models are not among the random ones
            continue
        boxes = re.findall(r'<div class="[^"]*loco-short[^"]*">(.*?)</div>', text, re.S)
        assert len(boxes) == 1, path.name
        assert [boxes[0].count(f"<strong>{word}:</strong>") for word in ("Asked", "Found")] == [
            1,
            1,
        ]
