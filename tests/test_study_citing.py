"""How to cite: CITATION.cff, the book's page and its bibliography say the same."""

import re
from pathlib import Path

import pytest
import yaml

import locolib

ROOT = Path(__file__).resolve().parents[1]
CFF = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
PAPER = CFF["references"][0]
PAGE = (ROOT / "book" / "cite.md").read_text(encoding="utf-8")
ENTRY = re.compile(r"^@\w+\{(\w+),\n(.*?)^\}", flags=re.M | re.S)
FIELD = re.compile(r"^  (\w+) = \{(.*)\},$", flags=re.M)


def entries(text: str) -> dict[str, dict[str, str]]:
    """BibTeX's entries: key -> field -> value."""
    return {key: dict(FIELD.findall(body)) for key, body in ENTRY.findall(text)}


def words(text: str) -> str:
    """Without line ends and the mark of quotations."""
    return " ".join(text.replace("\n>", " ").split())


def test_the_study_is_cited_alike():
    told = entries(PAGE)["locolib"]
    assert told["title"] == CFF["title"] and told["license"] == CFF["license"]
    assert told["author"] == "{" + CFF["authors"][0]["name"] + "}"
    assert told["version"] == CFF["version"] == locolib.__version__
    said = f"{CFF['authors'][0]['name']}. *{CFF['title']}*. Version {CFF['version']}. Licence {CFF['license']}."
    assert said in words(PAGE)


@pytest.mark.parametrize("place", ["book/cite.md", "book/references.bib"])
def test_the_paper_is_cited_alike(place):
    told = entries((ROOT / place).read_text(encoding="utf-8"))["basu2024"]
    names = [f"{one['family-names']}, {one['given-names']}" for one in PAPER["authors"]]
    assert told["author"] == " and ".join(names)
    assert told["title"] == PAPER["title"] and told["year"] == str(PAPER["year"])
    assert told["booktitle"] == PAPER["collection-title"]


def test_the_paper_s_line_agrees_with_its_entry():
    names = [f"{one['given-names']} {one['family-names']}" for one in PAPER["authors"]]
    number = PAPER["identifiers"][0]["value"]
    said = f"{', '.join(names[:-1])} and {names[-1]} ({PAPER['year']}). *{PAPER['title']}*. {PAPER['collection-title']}. {number}."
    assert said in words(PAGE)
    assert entries(PAGE)["basu2024"]["eprint"] == number.removeprefix("arXiv:")


def test_licences_are_those_of_the_repository():
    table = dict(re.findall(r"^\| ([^|]+?) \| ([^|]+?) \|$", PAGE, flags=re.M))
    assert table["code and pages"] == CFF["license"]
    assert "CC0" in (ROOT / "data/organisms/LICENSE").read_text() and table[
        "bundled models"
    ].startswith("CC0")
    assert "OPEN FONT LICENSE" in (ROOT / "locolib/organisms/sprites/LICENSE").read_text().upper()
