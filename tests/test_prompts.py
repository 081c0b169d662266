"""Prompt files: what the paper prints is there, and each mistake names file, row and column."""

import warnings
from collections import Counter

import pytest

from locolib import Notice, UserError
from locolib.experiments.editing.page import EditPage
from locolib.experiments.locogen.page import LocoGenPage
from locolib.experiments.page import BUNDLED
from locolib.experiments.profiles import PROFILES
from locolib.experiments.tracing.page import TracingPage
from locolib.models import find
from locolib.organisms.captions import OBJECTS, subject
from locolib.prompts import (
    ATTRIBUTES,
    COLUMNS,
    FOLDER,
    WORDINGS,
    Prompt,
    about,
    choose,
    generic_halves,
    halves,
    listed,
    others,
    read,
    read_generic,
    read_styled,
    revalued,
    reworded,
)

GOOD = "original,target,scored,subject,value,source\na cat by monet,a cat,a cat by monet,monet,monet,ours\n"


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_at_least_16_distinct_prompts(attribute):
    prompts = read(attribute)
    assert len({p.original for p in prompts}) == len(prompts) >= 16
    assert any(p.source != "ours" for p in prompts)


@pytest.mark.parametrize(
    "attribute, original, target",
    [
        ("style", "a house in the style of van gogh", "a painting of a house"),
        (
            "style",
            "women working in a field in the style of van gogh",
            "a painting of women working in a field",
        ),
        ("style", "a town in the style of monet", "a painting of a town"),
        ("style", "rocks in the ocean in the style of monet", "a painting of rocks in the ocean"),
        ("style", "a tree in the style of van gogh", "a painting of a tree"),
        ("style", "elephant painting in the style of salvador dali", "elephant painting"),
        ("object", "snoopy", "dog"),
        ("object", "nemo", "fish"),
        ("object", "r2d2", "robot"),
        ("object", "cat", "dog"),
        ("fact", "british monarch", "prince charles"),
        ("fact", "president of the united states", "joe biden"),
        ("place", "a cat in a beach", "a cat"),
    ],
)
def test_the_papers_prompts_are_there(attribute, original, target):
    assert (original, target) in {(p.original, p.target) for p in read(attribute)}


def test_facts_are_scored_against_the_target_and_others_against_the_original():
    for attribute in ATTRIBUTES:
        assert all(
            p.scored == (p.target if attribute == "fact" else p.original) for p in read(attribute)
        )


def test_halves_share_nothing_and_both_hold_every_value():
    for attribute in ("object", "fact"):
        prompts = read(attribute)
        first, second = halves(prompts)
        assert set(first) | set(second) == set(prompts) and not set(first) & set(second)
        assert {p.value for p in first} == {p.value for p in second}


def test_read_from_a_file(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text(GOOD)
    assert read("style", path)[0].value == "monet"


@pytest.mark.parametrize(
    "text, message",
    [
        (GOOD.replace(",target", ",goal"), "missing columns .*target.*unknown columns .*goal"),
        (
            GOOD + "a dog by monet,,a dog by monet,monet,monet,ours\n",
            "row 3, column 'target' is empty",
        ),
        (
            GOOD.replace(",monet,monet,", ",dali,monet,"),
            "row 2, column 'subject': 'dali' does not occur",
        ),
        (
            GOOD.replace(",monet,monet,", ",monet,dali,"),
            "row 2, column 'value': 'dali' does not occur",
        ),
        (
            GOOD.replace("a cat,", "a cat by monet,"),
            "row 2, column 'target': .* same as the original",
        ),
        (GOOD + GOOD.splitlines()[1] + "\n", "row 3, column 'original': .* listed twice"),
        (GOOD.replace("a cat by monet,monet", "a horse,monet"), "row 2, column 'scored'"),
        (GOOD.splitlines()[0] + "\n", "no prompts below its header"),
        ("", "not a readable CSV"),
        ('a,"b\nc', "CSV|missing columns"),
    ],
    ids=range(10),
)
def test_a_broken_file_is_named_with_row_and_column(tmp_path, text, message):
    path = tmp_path / "own.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as error:
        read("style", path)
    assert "own.csv" in str(error.value) and len(str(error.value).splitlines()) == 1


def test_a_missing_file_names_the_columns(tmp_path):
    with pytest.raises(UserError, match=", ".join(COLUMNS)):
        read("style", tmp_path / "none.csv")


def test_a_folder_is_no_file_of_prompts(tmp_path):
    with pytest.raises(UserError, match="no file .* that can be read"):
        read("style", tmp_path)


def test_a_byte_order_mark_and_the_order_of_columns_do_not_matter(tmp_path):
    plain, other = tmp_path / "plain.csv", tmp_path / "other.csv"
    plain.write_text(GOOD)
    turned = [",".join(reversed(line.split(","))) for line in GOOD.splitlines()]
    other.write_text("\ufeff" + "\n".join(turned), encoding="utf-8")
    assert read("style", other) == read("style", plain)


ROWS = [
    ["original", "target", "scored", "subject", "value", "source"],
    ["a cat, by monet", "a cat", "a cat, by monet", "monet", "monet", "me"],
    ["a dog by monet", "a dog", "a dog by monet", "monet", "monet", "me"],
]


def as_file(separator: str, end: str = "") -> str:
    cells = [[f'"{cell}"' if separator in cell else cell for cell in row] for row in ROWS]
    return "".join(f"{separator.join(row)}{end}\n" for row in cells)


@pytest.mark.parametrize(
    "text",
    [
        as_file(",", ","),
        as_file(",", " , ,"),
        "\ufeff" + as_file(";").replace("\n", "\r\n"),
        as_file("\t"),
        "sep=;\n" + as_file(";"),
        as_file(",") + "\n,,,,,\n",
        as_file(",").replace("a dog,", " a dog  ,"),
        as_file(",").replace("original", '"original"'),
    ],
    ids=[
        "trailing comma",
        "trailing commas and blanks",
        "Excel in German",
        "tabs",
        "sep line",
        "blank last rows",
        "blanks around",
        "quotes",
    ],
)
def test_what_spreadsheets_write_is_read(tmp_path, text):
    path = tmp_path / "own.csv"
    path.write_bytes(text.encode())
    assert [(p.original, p.target, p.value, p.row) for p in read("style", path)] == [
        (*ROWS[1][:2], "monet", 2),
        (*ROWS[2][:2], "monet", 3),
    ]


def test_a_row_is_counted_as_a_spreadsheet_counts_it(tmp_path):
    """Blank rows are left out, and are counted: row 5 of the file is row 5 in every sentence."""
    path = tmp_path / "own.csv"
    path.write_text(GOOD + "\n,,,,,\na dog by monet,a dog,a dog by monet,monet,monet,ours\n")
    assert [prompt.row for prompt in read("style", path)] == [2, 5]
    path.write_text(path.read_text().replace("a dog,", ","))
    with pytest.raises(UserError, match="row 5, column 'target' is empty"):
        read("style", path)


def test_a_row_with_more_cells_than_columns_is_named(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text(GOOD + "a dog, by monet,a dog,a dog, by monet,monet,monet,ours\n")
    with pytest.raises(
        UserError, match="row 3 has 8 cells for 6 columns; put text that contains ',' in quotes"
    ):
        read("style", path)


def test_accents_are_composed_and_that_is_said_once(tmp_path):
    """ "i" and a combining accent, as macOS writes it, is the letter that the columns beside it have."""
    path = tmp_path / "own.csv"
    path.write_text(
        "original,target,scored,subject,value,source\na cat by dali\u0301,a cat,a cat by dali\u0301,dal\u00ed,dal\u00ed,me\n",
        encoding="utf-8",
    )
    with pytest.warns(Notice, match="own.csv: accents .* were joined") as told:
        (prompt,) = read("style", path)
    assert (
        len(told) == 1
        and prompt.original == prompt.scored == "a cat by dal\u00ed"
        and prompt.value in prompt.original
    )
    path.write_text(path.read_text(encoding="utf-8").replace("i\u0301", "\u00ed"), encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read("style", path) == (prompt,)


def test_letters_that_are_not_utf_8_are_named_by_their_row(tmp_path):
    path = tmp_path / "own.csv"
    path.write_bytes(
        (GOOD + "a dog by dal\u00ed,a dog,a dog by dal\u00ed,dal\u00ed,dal\u00ed,me\n").encode(
            "cp1252"
        )
    )
    with pytest.raises(
        UserError, match='row 3 has letters that are not written in UTF-8; save it as "CSV UTF-8"'
    ):
        read("style", path)


def test_capitals_make_no_other_value_and_no_other_prompt(tmp_path):
    """Tokenizers read "Monet" and "monet" alike: two such values are one, and two such prompts are one listed twice."""
    path = tmp_path / "own.csv"
    path.write_text(GOOD + "a dog by Monet,a dog,a dog by Monet,Monet,Monet,ours\n")
    prompts = read("style", path)
    assert (
        [p.value for p in prompts] == ["monet", "monet"]
        and {p.value for p in about(prompts, "monet")} == {"monet"}
        and not others(prompts, "monet")
    )
    path.write_text(GOOD + "A cat  by Monet,a cat,A cat  by Monet,Monet,Monet,ours\n")
    with pytest.raises(
        UserError, match="row 3, column 'original': 'A cat  by Monet' is listed twice"
    ):
        read("style", path)


def test_a_subject_in_small_letters_is_found_in_a_prompt_with_capitals(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text(
        "original,target,scored,subject,value,source\na cat by Van Gogh,a cat,a cat by Van Gogh,van gogh,van gogh,me\n"
    )
    assert read("style", path)[0].subject == "van gogh"


def test_a_column_that_is_there_twice_is_named(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text(
        "original,target,target,scored,subject,value,source\na cat by monet,a cat,a cat,a cat by monet,monet,monet,ours\n"
    )
    with pytest.raises(UserError, match=r"columns named twice \['target'\]"):
        read("style", path)


def test_unknown_attribute():
    with pytest.raises(UserError, match="style, object, fact, place"):
        read("colour")


@pytest.mark.parametrize("file, objects", [("generic.csv", 80), ("generic_world.csv", 40)])
def test_generic_prompts_are_every_object_in_every_place(file, objects):
    found = read_generic(FOLDER / file)
    assert (
        len(found) == 4 * objects and sum(text.endswith("in a beach") for text in found) == objects
    )


def test_the_worlds_generic_prompts_are_its_objects():
    assert {text.rsplit(" in a ", 1)[0] for text in read_generic()} == {
        subject(i, article=True) for i in range(len(OBJECTS))
    }


# --- some of a list


LISTS = {
    **{attribute: read(attribute) for attribute in ATTRIBUTES},
    **{path.name: read_styled(path) for path in sorted(FOLDER.glob("neuron_*.csv"))},
}


def value_of(prompt):
    return prompt.value if isinstance(prompt, Prompt) else prompt.artist


@pytest.mark.parametrize("name", LISTS)
def test_a1_as_many_prompts_as_values_show_every_value(name):
    """Six objects that are all snoopy, six facts that are all of one monarch: what an even spread over the rows can give."""
    prompts = LISTS[name]
    known = Counter(map(value_of, prompts))
    for count in range(1, len(prompts) + 1):
        shown = Counter(map(value_of, choose(prompts, count)))
        assert len(shown) == min(count, len(known)) and sum(shown.values()) == count
        assert all(shown[value] >= min(known[value], count // len(known)) for value in known), (
            "each about as often"
        )


@pytest.mark.parametrize("name", LISTS)
def test_a1_fewer_prompts_are_the_first_of_more(name):
    every = choose(LISTS[name], 0)
    assert sorted(map(repr, every)) == sorted(map(repr, LISTS[name]))
    assert all(choose(LISTS[name], n) == every[:n] for n in range(1, len(every) + 1))
    assert choose(LISTS[name], len(every) + 5) == every


@pytest.mark.parametrize("name", ["quick", "paper"])
@pytest.mark.parametrize("model", BUNDLED)
def test_a1_every_profile_asks_every_value(name, model):
    count = PROFILES[name].prompts_of(find(model))
    for attribute in ("style", "object", "fact"):
        shown = Counter(p.value for p in choose(read(attribute), count))
        assert set(shown) == {p.value for p in read(attribute)}
        assert max(shown.values()) - min(shown.values()) <= 1


def test_a1_every_file_of_prompts_is_tried_here():
    others = {
        "generic.csv",
        "generic_world.csv",
        "human_study.csv",
    }  # of no value each, or asked whole
    tried = {name if "." in name else f"{name}.csv" for name in LISTS}
    assert {path.name for path in FOLDER.glob("*.csv")} - others == tried


@pytest.mark.parametrize("file, objects", [("generic.csv", 80), ("generic_world.csv", 40)])
def test_a1_few_generic_prompts_show_many_objects_in_every_place(file, objects):
    for half in generic_halves([], FOLDER / file):
        for count in range(1, len(half) + 1):
            split = [text.rsplit(" in a ", 1) for text in choose(half, count)]
            assert len({thing for thing, _ in split}) == min(count, objects // 2)
            assert len({place for _, place in split}) == min(count, 4)
        assert len(set(half)) == len(half) == 2 * objects


# --- what an edit is told


def test_a2_a_style_is_edited_in_the_papers_words():
    """Section 6.1: "a house in the style of van gogh" becomes "a house in the style of a painting", subject to subject."""
    first = read("style")[0]
    assert first.edit_target == "a house in the style of a painting"
    assert {prompt.target_subject for prompt in read("style")} == {"painting"}
    assert reworded(read("style"), "6.1") == read("style")
    assert "edit_target" not in repr(first)  # it changes no picture of LocoGen, nor their keys


def test_a2_wordings():
    first = read("style")[:1]
    told = {name: reworded(first, name)[0] for name in WORDINGS}
    assert {name: (p.edit_target, p.target_subject) for name, p in told.items()} == {
        "6.1": ("a house in the style of a painting", "painting"),
        "5.1.1": ("a house in the style of painting", "painting"),
        "plain": ("a painting of a house", ""),
        "bare": ("a painting", "painting"),
    }
    assert {(p.original, p.target) for p in told.values()} == {(first[0].original, first[0].target)}
    for wording in WORDINGS:
        assert reworded(read("object"), wording) == read("object")
    with pytest.raises(UserError, match="6.1, 5.1.1, plain, bare"):
        reworded(first, "7")


def test_a2_what_an_edit_is_told_is_the_same_for_another_artist():
    other = revalued(read("style")[0], "monet")
    assert other.original == "a house in the style of monet"
    assert (other.edit_target, other.target_subject) == (
        "a house in the style of a painting",
        "painting",
    )


@pytest.mark.parametrize(
    "cells, told",
    [
        ({}, ("a cat", "")),
        ({"edit_target": "a cat by a painting"}, ("a cat by a painting", "")),
        (
            {"edit_target": "a cat by a painting", "target_subject": "Painting"},
            ("a cat by a painting", "Painting"),
        ),
        ({"target_subject": "cat"}, ("a cat", "cat")),
        ({"edit_target": "", "target_subject": ""}, ("a cat", "")),
    ],
)
def test_a2_two_columns_may_be_there(tmp_path, cells, told):
    path = tmp_path / "own.csv"
    header, row = GOOD.splitlines()
    path.write_text(f"{','.join([header, *cells])}\n{','.join([row, *cells.values()])}\n")
    (prompt,) = read("style", path)
    assert (prompt.edit_target, prompt.target_subject) == told


@pytest.mark.parametrize(
    "cells, words",
    [
        (
            {"target_subject": "painting"},
            "row 2, column 'target_subject': 'painting' does not occur in what an edit is told",
        ),
        (
            {"edit_target": "a cat by a painting", "target_subject": "dog"},
            "row 2, column 'target_subject': 'dog' does not occur",
        ),
        ({"edit_target": "a cat by monet"}, "row 2, column 'edit_target': .* same as the original"),
        ({"goal": "a cat"}, "may have edit_target and target_subject.* unknown columns .*goal"),
    ],
)
def test_a2_what_is_wrong_in_them_is_named(tmp_path, cells, words):
    path = tmp_path / "own.csv"
    header, row = GOOD.splitlines()
    path.write_text(f"{','.join([header, *cells])}\n{','.join([row, *cells.values()])}\n")
    with pytest.raises(UserError, match=words) as caught:
        read("style", path)
    assert "\n" not in str(caught.value)


# --- what a published model is asked


def test_a20_printed_prompts_are_the_papers_alone():
    for attribute in ("style", "object", "fact"):
        prompts = listed(attribute, printed=True)
        assert prompts and all(prompt.printed for prompt in prompts)
        assert listed(attribute, printed=False) == read(attribute)
    styles = listed("style", printed=True)
    assert [p.original for p in styles] == [p.prompt for p in LISTS["neuron_paper.csv"]]
    assert {p.value for p in styles} == {p.value for p in read("style")}
    assert {p.value for p in listed("object", printed=True)} == {"snoopy", "nemo", "r2d2", "cat"}
    assert listed("place", printed=True) == read("place")  # the paper sweeps over none
    with pytest.raises(UserError, match="style, object, fact, place"):
        listed("colour", printed=True)


def test_a20_k1_is_edited_in_the_words_of_section_6_1():
    """The artist's name gives way to "a painting", wherever it stands."""
    for prompt in listed("style", printed=True):
        assert prompt.value not in prompt.edit_target.lower()
        assert prompt.edit_target.replace("a painting", "", 1) != prompt.edit_target
        assert prompt.target_subject == "painting" and prompt.row >= 2


def test_a20_an_edit_has_prompts_that_it_has_not_seen():
    for attribute in ("style", "object", "fact"):
        some, more = (listed(attribute, printed=True, edited=edited) for edited in (False, True))
        assert {p.value for p in some} == {p.value for p in more} and set(some) <= set(more)
        assert min(Counter(p.value for p in more).values()) >= 2
    assert listed("fact", printed=True, edited=True) == listed("fact", printed=True)


def test_a20_pages_ask_published_models_the_printed_prompts():
    for name in ("sd-v1-5", "mini-sd-v1-5"):
        printed = not find(name).bundled
        for attribute in ("style", "object", "fact"):
            page = LocoGenPage(model=name, attribute="paper")
            assert set(page.request(attribute).prompts) == set(listed(attribute, printed=printed))
        EditPage(model=name)  # its values have prompts enough
        traced = TracingPage(model=name, prompts=0).request().prompts
        assert all(prompt.printed for prompt in traced) == printed


# --- several values


def test_a11_there_are_objects_and_facts_enough():
    """Values are what other objects and facts are sampled from: prompts of one are not independent of each other."""
    counts = {name: Counter(p.value for p in read(name)) for name in ("style", "object", "fact")}
    assert {name: len(found) for name, found in counts.items()} == {
        "style": 6,
        "object": 12,
        "fact": 4,
    }
    assert min(min(found.values()) for found in counts.values()) >= 4


def test_a11_a_value_is_no_target_of_its_own_attribute_but_a_facts():
    """Among objects a picture of one value is never what another is altered to."""
    objects = read("object")
    named = {word for p in objects for word in p.target.replace(",", "").split()}
    assert not named & {p.value for p in objects}
