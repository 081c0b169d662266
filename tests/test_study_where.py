"""The page *Where is it in the code?*: no number of the paper is missing, and what it names is there."""

import importlib

import pytest

from locolib.study import where


@pytest.mark.parametrize(
    "text, found",
    [
        (
            "a thing (Figs. 2, 11 to 13 and 40)",
            {"Fig. 2", "Fig. 11", "Fig. 12", "Fig. 13", "Fig. 40"},
        ),
        ("TIME (Orgad et al. 2023, Eq. 5), Eq. 1", {"Eq. 1"}),
        ("the solution (Section 6.1, closed form)", {"Section 6.1, closed form"}),
        ("Algorithm 1 for one m; Table 1", {"Algorithm 1", "Table 1"}),
        ("Eqs. 15 and 16", {"Eq. 15", "Eq. 16"}),
    ],
    ids=["list", "other's", "words", "two", "both"],
)
def test_numbers_are_read_from_docstrings(text, found):
    assert where.mentioned(text) == found


@pytest.mark.parametrize("item", where.ITEMS)
def test_every_number_of_the_paper_has_a_function_a_page_and_a_test(item):
    found = where.places()[item]
    assert found, f"no function says that it computes or draws {item}"
    assert [place for place in found if place.test()], (
        f"no test calls {[place.path for place in found]}"
    )
    for place in found:
        assert hasattr(importlib.import_module(f"locolib.{place.module}"), place.name)


def test_docstrings_name_no_number_that_the_paper_does_not_have():
    told = {item for place, text in where.documented() for item in where.mentioned(text)}
    assert {item for item in told if item.startswith(("Fig.", "Table", "Algorithm"))} <= set(
        where.ITEMS
    )


def test_the_page_links_to_what_it_names():
    text = where.page(lambda page: ["mini-sd-v1-5"] if page == "02_locogen" else [])
    assert (
        all(where.ITEMS[item] in text for item in where.ITEMS)
        and "**Figs. 14 to 39**" in text
        and "<locolib.experiments.locogen.searching.sweep>" in text
    )
    assert "<notebooks/02_locogen-mini-sd-v1-5>" in text and ".py::test_" in text
