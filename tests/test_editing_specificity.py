"""What else an edit changes: the matrix of edited and asked values, its rates, and the claims that are read from them."""

import numpy as np
import pandas as pd
import pytest

from locolib import scores
from locolib.drawing.sampling import Settings
from locolib.experiments import editing
from locolib.experiments.editing import (
    NONE,
    OURS,
    PAPER,
    SPARES,
    edit,
    kept,
    keys,
    locoedit,
    report_claims,
    sparing,
    specificity_figures,
    staying,
)
from locolib.experiments.locogen import SEED, Request
from locolib.prompts import about, generic_halves, halves, read, reworded

SETTINGS = Settings(steps=1, guidance=1.0)


def trial(model, store, attribute="object", value="nemo"):
    return editing.trial(
        model,
        Request(prompts=read(attribute), seeds=(SEED,), settings=SETTINGS),
        value,
        (4, 5),
        store=store,
    )


def nothing(one):
    return edit(one.model, "nothing", {}, seconds=0.0)


def table(cells) -> pd.DataFrame:
    """(method, edited, asked, still, n) as `specificity.matrix` gives them."""
    made = pd.DataFrame(cells, columns=["method", "edited", "asked", "still", "n"])
    return made.assign(rate=made.still / made.n.where(made.n > 0))


def test_an_edit_of_nothing_keeps_all_that_was_seen(model, store):
    found = editing.matrix(
        trial(model, store),
        {"nothing": nothing},
        trained={"once": nothing(trial(model, store))},
        count=2,
    )
    values = ["nemo", *(value for value in editing.values_of("object") if value != "nemo")][:6]
    before = found[found.method == NONE].set_index("asked")
    assert list(before.index) == values and (before.n == 2).all()
    after = found[found.method == "nothing"]
    assert (
        len(after) == len(values) ** 2
        and (after.still == after.n).all()
        and (after.n.to_numpy() == np.tile(before.still, len(values))).all()
    )
    assert set(found[found.method == "once"].edited) == {"nemo"}


def test_every_value_is_edited_by_its_own_prompts(model, store):
    asked = []

    def make(one):
        asked.append(one.train)
        return nothing(one)

    editing.matrix(trial(model, store), {"seen": make}, count=1)
    values = [train[0].value for train in asked]
    assert values[0] == "nemo" and len(set(values)) == len(values) <= 6
    assert set(values) <= set(editing.values_of("object"))
    assert all(
        set(train) == set(halves(about(read("object"), train[0].value))[0]) for train in asked
    )


def test_rates_count_the_edited_value_and_the_others_apart():
    found = editing.gone_and_kept(
        table(
            [
                (NONE, "", "a", 4, 4),
                (NONE, "", "b", 3, 4),
                ("m", "a", "a", 1, 4),
                ("m", "a", "b", 3, 3),
                ("m", "b", "a", 2, 4),
                ("m", "b", "b", 0, 3),
                ("once", "a", "a", 0, 4),
                ("once", "a", "b", 0, 0),
            ]
        )
    ).set_index("name")
    assert (
        found.gone["m"] == pytest.approx(6 / 7)
        and found["n gone"]["m"] == 7
        and found.kept["m"] == pytest.approx(5 / 7)
        and found["n kept"]["m"] == 7
    )
    assert (
        found.gone["once"] == 1
        and np.isnan(found.kept["once"])
        and found["values"].to_dict() == {"m": 2, "once": 1}
    )
    own = editing.gone_and_kept(
        table([("m", "a", "a", 1, 4), ("m", "a", "b", 3, 3), ("m", "b", "b", 0, 3)]), "a"
    ).set_index("name")
    assert own.gone["m"] == 0.75 and own["values"]["m"] == 1


@pytest.mark.parametrize(
    "gone, kept_, moved, held",
    [
        (100, 100, 0.2, ["held", "held", "held"]),
        (10, 100, 20.0, ["did not hold", "held", "did not hold"]),
        (92, 88, 3.0, ["not settled", "not settled", "not settled"]),
    ],
)
def test_claims_are_read_from_intervals(gone, kept_, moved, held):
    rows = [
        {"name": name, "moved": moved, "moved_low": 0.9 * moved, "moved_high": 1.1 * moved}
        | {
            f"{column}{end}": value
            for column, hits in (("gone", gone), ("kept", kept_))
            for end, value in zip(
                ("", "_low", "_high"),
                (lambda i: (i.value, i.low, i.high))(scores.wilson(hits, 100)),
            )
        }
        for name in (PAPER, OURS, SPARES)
    ]
    told = report_claims.of_specificity("style", pd.DataFrame(rows))
    assert [claim.outcome for claim in told if SPARES in claim.text] == held and len(told) == 6
    assert (
        len(report_claims.of_specificity("style", pd.DataFrame(rows).drop(columns="moved"))) == 4
    )  # no generic pictures: two numbers each


@pytest.mark.parametrize("attribute", ["style", "object", "fact"])
def test_rows_that_stay_hold_no_word_of_the_edit_and_nothing_that_is_asked(model, store, attribute):
    value = editing.values_of(attribute)[0]
    one = trial(model, store, attribute, value)
    stay = editing.rows_that_stay(one)
    judged = {
        p.original
        for other in editing.values_of(attribute)
        for p in editing.of_value(one, other).held.prompts
    }
    assert (
        not judged & set(stay)
        and not any(value in text for text in stay)
        and not set(stay) & set(generic_halves([value])[1])
    )
    # a fact's target may be what another fact's prompts say: those that judge are not told
    assert "" in stay and {p.target for p in one.train} - judged <= set(stay)
    assert any(other in text for other in editing.values_of(attribute)[1:] for text in stay)


def test_the_halves_of_the_generic_prompts_do_not_depend_on_what_is_left_out():
    told, asked = generic_halves([])
    some, others = generic_halves(["tree", "cat"])
    assert set(some) < set(told) and set(others) < set(asked) and not set(told) & set(asked)


def test_what_must_stay_moves_less_than_under_the_papers_edit(model):
    train, stay = reworded(read("style")[:2], "plain"), ["a house by monet", ""]
    ((x, _),) = keys(model, staying(model, stay), (4,))

    def moved(change):
        return sum(
            float((x.double() @ delta.double().T).norm()) for delta in change.deltas.values()
        )

    assert moved(sparing(model, train, (4,), stay)) < 0.5 * moved(
        locoedit(model, train, (4,), tokens="onward")
    )
    assert moved(sparing(model, train, (4,), [])) == pytest.approx(
        moved(locoedit(model, train, (4,), tokens="onward")), rel=1e-6
    )


def test_kept_texts_of_a_style_are_the_training_prompts_by_others():
    known = read("style")
    train = halves(about(known, "monet"))[0]
    stay = kept(known, "monet", train)
    assert {p.original.replace("monet", "van gogh") for p in train} <= set(stay) and not any(
        "monet" in text for text in stay
    )


def test_figures_show_every_cell(model, store):
    found = editing.matrix(trial(model, store), {"one": nothing, "two": nothing}, count=1)
    own = specificity_figures.other_values({"object": found}, {"object": "nemo"}, scorer="s")
    assert [t.get_text() for t in own.axes[0].get_yticklabels()] == [
        NONE,
        "one",
        "two",
    ] and own.axes[0].get_xticklabels()[0].get_text() == "nemo"
    values = found.asked.nunique()
    whole = specificity_figures.matrices(found, attribute="object", scorer="s")
    assert [len(ax.texts) for ax in whole.axes] == [values**2] * 2
    by_model = specificity_figures.others_by_model(
        {"A": found[found.edited.isin(["", "nemo"])]}, attribute="object", value="nemo", scorer="s"
    )
    assert len(by_model.axes[0].texts) == 3 * values


def test_five_models_ask_for_other_values_by_each_edit(model, store):
    found = editing.others(trial(model, store), "subject", count=1, most=3)
    assert set(found.method) == {NONE, PAPER, OURS, SPARES, editing.DIFFQUICKFIX}
    assert set(found.edited) == {"", "nemo"} and found.asked.nunique() == 3
    told = report_claims.of_specificity("object (nemo)", editing.gone_and_kept(found))
    assert len(told) == 4 and all("object" in claim.text for claim in told)
