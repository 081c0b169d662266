"""The report counts the paper's claims apart from ours, and tells them by section and outcome."""

from locolib.models import MODELS
from locolib.study import reproduction

TITLES = {name: spec.title for name, spec in MODELS.items()}


def one(
    claim="style: a", section="5.2", outcome="held", model="mini-sd-v1-5", page="02b_five_models"
):
    return {
        "claim": claim,
        "section": section,
        "outcome": outcome,
        "model": model,
        "page": page,
        "number": "share 0.9 [0.8, 1.0]",
        "link": "notebooks/02b.html#style",
    }


TOLD = [
    one(),
    one(outcome="did not hold"),
    one(section="6.2 (these tokens are ours)"),
    one(section="ours", model="planted-sd-v1-5"),
    one(model="planted-sd-v1-5", outcome="not settled"),
]


def test_claims_with_our_choices_are_not_the_papers():
    table = reproduction.counts(TOLD)
    assert table.loc[("the paper's", "natural"), "all"] == 2
    assert table.loc[("the paper's", "natural"), "did not hold"] == 1
    assert table["all"].sum() == len(TOLD)


def test_the_list_has_only_the_papers_claims_in_natural_models():
    held = reproduction.by_section(TOLD, "held", TITLES).data
    assert held.count("<a ") == 1 and "Section 5.2" in held and "notebooks/02b.html#style" in held
    assert reproduction.by_section(TOLD, "not settled", TITLES).data == "<p>None.</p>"


def test_a_page_in_words():
    assert (
        reproduction.of_page(TOLD, "02b_five_models", "mini-sd-v1-5")
        == "1 held, 1 did not hold, 0 not settled"
    )
    assert reproduction.of_page([], "02b_five_models") == "not run here"


def test_models_without_a_claim_are_not_listed():
    assert list(reproduction.models_run(list(MODELS.values()), TOLD)["claims tested"]) == [3, 2]


def test_an_empty_ledger_is_no_error():
    assert reproduction.counts([]).empty
