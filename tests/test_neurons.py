"""Neurons (Section 7): prompts, z-scores, what is dropped, and the table; relations on random weights."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from rounding import assert_same, close
from scipy.stats import ttest_ind

from locolib import UserError
from locolib.claims import above
from locolib.drawing.layers import sites
from locolib.drawing.memory import Altered, Dropped, Row, TextMemory
from locolib.drawing.sampling import Settings, denoise
from locolib.drawing.text import token_ids
from locolib.experiments.neurons import (
    NEURONS,
    READINGS,
    WIDTH,
    Activations,
    Request,
    doses,
    dropping,
    drops,
    few_doses,
    measure,
    papers,
    rank,
    rates,
    readings,
    removed,
    report,
    summary,
    z_scores,
)
from locolib.experiments.neurons import figures as plots
from locolib.experiments.neurons import page as neurons_page
from locolib.experiments.neurons.ranking import Ranking
from locolib.experiments.neurons.report import in_common
from locolib.figures import panels
from locolib.models import find
from locolib.organisms.captions import OBJECTS, PLACES, STYLES, Scene, caption
from locolib.prompts import FOLDER, read_styled
from locolib.scores import Interval
from locolib.study import pages

pytestmark = pytest.mark.computing

SETTINGS = Settings(steps=2, guidance=3.0, batch=16)
WORLD, PAPER = read_styled(), read_styled(FOLDER / "neuron_paper.csv")
ARTISTS = ("van gogh", "monet", "salvador dali", "jeremy mann", "greg rutkowski", "pablo picasso")
COUNTS = dict(zip(ARTISTS, (8, 11, 10, 10, 10, 8)))  # of K.1
TEXT = "artist,prompt,plain,source\nmonet,a cat by Monet,a cat,ours\n"


def request(artist="monet", prompts=WORLD, tests=2, layers=(8, 9), **options):
    own = tuple(p for p in prompts if p.artist == artist)
    return Request(
        **{
            "artist": artist,
            "prompts": prompts,
            "tests": own[:tests],
            "layers": layers,
            "seeds": (1000,),
            "settings": SETTINGS,
        }
        | options
    )


@pytest.fixture
def known(model):
    return Activations(model, (8, 9))


# --- prompts


def test_all_prompts_of_the_paper_are_there():
    assert {artist: sum(p.artist == artist for p in PAPER) for artist in ARTISTS} == COUNTS and len(
        PAPER
    ) == 57
    assert {p.source for p in PAPER} == {"K.1"}
    plain = {p.prompt: p.plain for p in PAPER}
    assert plain["Monet style painting of a person on a cliff"] == "painting of a person on a cliff"
    assert (
        plain["slave market with the disappearing bust of voltaire painting of Salvador Dali"]
        == "slave market with the disappearing bust of voltaire painting"
    )
    assert plain["painting of a bird, in the style of Pablo Picasso"] == "painting of a bird"


def test_the_miniatures_prompts_are_captions_of_their_world():
    assert {artist: sum(p.artist == artist for p in WORLD) for artist in ARTISTS} == dict.fromkeys(
        ARTISTS, 16
    )
    spoken = {
        caption(Scene(o, STYLES.index(artist), place), t): (artist, o)
        for artist in ARTISTS
        for o in range(len(OBJECTS))
        for place in range(len(PLACES) + 1)
        for t in range(8)
    }
    assert [p.prompt for p in WORLD if spoken.get(p.prompt, ("",))[0] != p.artist] == []
    objects = {
        artist: [spoken[p.prompt][1] for p in WORLD if p.artist == artist] for artist in ARTISTS
    }
    assert all(len(set(own)) == 16 for own in objects.values())


@pytest.mark.parametrize("prompts", [WORLD, PAPER], ids=["ours", "the paper's"])
def test_without_its_words_for_the_style_a_prompt_says_the_same(prompts):
    assert len({p.plain for p in prompts}) == len(prompts)
    for p in prompts:
        assert p.plain in p.prompt and p.artist not in p.plain.lower() and "style" not in p.plain


def test_another_artists_name_is_put_in():
    p = next(p for p in PAPER if p.artist == "van gogh")
    assert (
        p.by("monet").endswith("night sky in the style of monet")
        and p.by("van gogh").lower() == p.prompt.lower()
    )


@pytest.mark.parametrize(
    "text, message",
    [
        (
            TEXT.replace("monet,a", "Monet,a"),
            "row 2, column 'artist': 'Monet' is not in small letters",
        ),
        (TEXT.replace("monet,a", "dali,a"), "row 2, column 'artist': 'dali' does not occur"),
        (
            TEXT.replace("a cat,", "a cat by monet,"),
            "row 2, column 'plain': .* still names the artist",
        ),
        (TEXT + TEXT.splitlines()[1] + "\n", "row 3, column 'prompt': .* listed twice"),
        (TEXT.replace("a cat,", ","), "row 2, column 'plain' is empty"),
        (TEXT.replace("plain", "plane"), "missing columns .*plain.*unknown columns .*plane"),
    ],
    ids=range(6),
)
def test_a_broken_file_is_named_with_row_and_column(tmp_path, text, message):
    path = tmp_path / "own.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as error:
        read_styled(path)
    assert "own.csv" in str(error.value) and len(str(error.value).splitlines()) == 1


# --- which prompts choose neurons


def test_prompts_that_are_tested_choose_no_neurons():
    styled, plain = request().selection()
    own = {text.lower() for p in WORLD if p.artist == "monet" for text in (p.prompt, p.plain)}
    assert (
        len(styled) == len(plain) == 80
        and not own & {*styled, *plain}
        and all("monet" in text for text in styled)
    )


def test_in_the_papers_reading_all_prompts_choose():
    styled, plain = request(prompts=PAPER, overlap=True).selection()
    assert len(styled) == len(plain) == 57 and {p.plain for p in PAPER} == set(plain)
    assert {p.prompt.lower() for p in PAPER if p.artist == "monet"} < {
        text.lower() for text in styled
    }


# --- z-scores


def groups(seed=0, n=(7, 11), neurons=5):
    rng = np.random.default_rng(seed)
    return rng.normal(1, 2, (n[0], neurons)), rng.normal(0, 3, (n[1], neurons))


def test_the_formula():
    one, other = groups()
    for i, found in enumerate(z_scores(one, other)):
        a, b = one[:, i], other[:, i]
        variance = [
            sum((x - x_mean) ** 2 for x in group) / (len(group) - 1)
            for group, x_mean in ((a, a.mean()), (b, b.mean()))
        ]
        assert found == pytest.approx(
            (a.mean() - b.mean()) / (variance[0] / 7 + variance[1] / 11) ** 0.5
        )
    np.testing.assert_allclose(
        z_scores(one, other), ttest_ind(one, other, equal_var=False).statistic
    )


def test_the_codes_deviation_changes_the_size_but_in_equal_groups_not_the_ranks():
    one, other = groups(n=(9, 9), neurons=40)
    sample, population = (z_scores(one, other, deviation=name) for name in ("sample", "population"))
    np.testing.assert_allclose(population, sample * (9 / 8) ** 0.5)
    assert (np.argsort(-np.abs(sample)) == np.argsort(-np.abs(population))).all()


def test_a_neuron_that_never_varies_ranks_last():
    one, other = groups(neurons=24)
    one[:, 3], other[:, 3] = 5.0, -5.0  # without the guard: infinite
    one[:, 4], other[:, 4] = 1.0 / 3, np.float32(1.0 / 3)  # rounding is no variance
    one[:, 5] = other[:, 5] = 0.0
    found = z_scores(one, other)
    assert found[[3, 4, 5]].tolist() == [0, 0, 0] and np.isfinite(found).all()
    ranking = Ranking(z={(8, "key"): found}, neutral={})
    assert set(ranking.top(WIDTH)[8, "key"][-3:]) == {3, 4, 5}


# --- rankings of a model


def test_neurons_are_outputs_of_the_matrices(model, known):
    """Against the plain linear map, at the artist's last token and at the last position of all."""
    prompt = "monet style painting of a cat"
    ids, states = token_ids(model, prompt), model.encode([prompt]).states[0]
    place = {
        "subject": ids.index(model.tokenizer("monet", add_special_tokens=False).input_ids[-1]),
        "end": 76,
    }
    for at, position in place.items():
        found = known.of([prompt], artist="monet", at=at)
        for (layer, matrix), rows in found.items():
            path = getattr(sites(model.unet)[layer], matrix)
            plain = torch.nn.functional.linear(
                states[position], model.unet.get_submodule(path).weight
            )
            np.testing.assert_allclose(rows[0], plain.detach().numpy(), atol=1e-5)


def test_a_prompt_without_the_artist_is_read_at_its_last_word(model, known):
    one, other = (
        known.of([text], artist="monet")[8, "key"] for text in ("a cat", "a painting of a cat")
    )
    assert not np.allclose(one, other)
    end = token_ids(model, "a cat").index(model.tokenizer.eos_token_id)
    assert np.allclose(one[0], _project(model, "a cat")[end - 1], atol=1e-5)


def _project(model, prompt):
    path = sites(model.unet)[8].key
    return (
        torch.nn.functional.linear(
            model.encode([prompt]).states[0], model.unet.get_submodule(path).weight
        )
        .detach()
        .numpy()
    )


def test_as_many_are_chosen_in_each_matrix_and_the_control_has_as_many(known):
    ranking = rank(known, request())
    assert set(ranking.z) == {(layer, matrix) for layer in (8, 9) for matrix in ("key", "value")}
    widths = {matrix: len(z) for matrix, z in ranking.z.items()}
    for count in (*NEURONS, 400, WIDTH):
        top, random = ranking.top(count), ranking.random(count, 1)
        assert {m: len(set(chosen)) for m, chosen in top.items()} == {
            m: max(1, round(count * n / WIDTH)) for m, n in widths.items()
        }
        assert {m: len(set(chosen)) for m, chosen in random.items()} == {
            m: len(chosen) for m, chosen in top.items()
        }
        assert all(max(chosen) < widths[m] for m, chosen in random.items())
    assert all(
        set(few) <= set(many)
        for few, many in zip(ranking.random(100, 1).values(), ranking.random(400, 1).values())
    )
    assert ranking.random(400, 1) == ranking.random(400, 1) != ranking.random(400, 2)


def test_the_highest_scores_come_first(known):
    ranking = rank(known, request())
    for matrix, chosen in ranking.top(400).items():
        sizes = np.abs(ranking.z[matrix])
        assert sizes[list(chosen)].min() >= np.delete(sizes, list(chosen)).max()


def test_shuffled_groups_have_smaller_scores(known):
    found, null = (rank(known, request(), shuffled=seed) for seed in (None, 1))
    sizes = [
        np.median(np.abs(np.concatenate(list(ranking.z.values())))) for ranking in (found, null)
    ]
    assert sizes[0] > 2 * sizes[1] and 0.3 < sizes[1] < 1.2  # of a standard normal: 0.67
    assert all((found.neutral[m] == null.neutral[m]).all() for m in found.neutral)


def test_artists_have_neurons_in_common(known):
    rankings = {artist: rank(known, request(artist)) for artist in ("monet", "van gogh")}
    shared = in_common(rankings, 400)
    assert (
        (np.diag(shared) == 1).all()
        and (shared == shared.T).all(axis=None)
        and 0 <= shared.loc["monet", "van gogh"] <= 1
    )
    assert (in_common(rankings, WIDTH) == 1).all(axis=None)


# --- images


def latents(model, rows):
    return denoise(model, rows, SETTINGS, TextMemory(model))


def test_no_neurons_change_nothing(model, known):
    made = drops(rank(known, request()), request(), top=(0,), random=())["0"]
    assert len(made) == 4 and all(change.neurons == () for change in made)
    plain, dropped = latents(
        model,
        [Row(prompt="a cat by monet", seed=1), Row(prompt="a cat by monet", seed=1, changes=made)],
    )
    assert_same(plain, dropped)


def test_with_all_neurons_of_all_layers_neutral_the_prompt_is_not_read(model):
    """All keys and values of the conditional branch are the same for every prompt and token: what is said cannot matter."""
    asked = request(layers=tuple(range(16)))
    ranking = rank(Activations(model, asked.layers), asked)
    for to in ("neutral", "zero"):
        changes = ranking.dropped(ranking.top(WIDTH), to)
        one, other = latents(
            model,
            [
                Row(prompt=text, seed=1, changes=changes)
                for text in ("a cat by monet", "a pizza by van gogh")
            ],
        )
        assert_same(one, other)
    plain, other = latents(
        model, [Row(prompt=text, seed=1) for text in ("a cat by monet", "a pizza by van gogh")]
    )
    assert not close(plain, other)


def test_neutral_neurons_have_the_mean_of_prompts_without_a_style(known):
    asked = request(to="neutral")
    ranking = rank(known, asked)
    mean = known.of(asked.selection()[1], artist="monet")[9, "value"].mean(0)
    change = next(c for c in drops(ranking, asked)["100"] if (c.layer, c.matrix) == (9, "value"))
    assert change.values == pytest.approx(mean[list(change.neurons)])


def test_what_is_measured(model, known, store):
    asked = request(seeds=(1000, 1001))
    dropped = drops(rank(known, asked), asked)
    table = measure(model, asked, dropped, store=store)
    assert (
        list(dict.fromkeys(table.condition))
        == ["clean", "30", "50", "100", "random 100", "altered"]
        and len(table) == 6 * 2 * 2
    )
    assert (
        table.groupby("condition").seed.unique().map(sorted).map(tuple).nunique() == 1
        and table.image.notna().all()
    )
    first = list(WORLD).index(asked.tests[0])
    assert sorted(set(table.seed))[:2] == [1000 * first + 1000, 1000 * first + 1001]
    assert [p.prompt for p in asked.tests] == list(dict.fromkeys(table.prompt))
    pd.testing.assert_frame_equal(table, measure(model, asked, dropped, store=store))
    (facts,) = store.runs().values()
    assert {"model", "weights", "scorer", "seeds", "steps", "minutes", "torch"} <= facts.keys()


def test_rows_say_what_the_conditions_are(known):
    asked = request()
    rows = list(dropping._rows(asked, drops(rank(known, asked), asked)))
    assert rows[0].changes == () and rows[-1].changes == (
        Altered(layers=(8, 9), prompt=asked.tests[1].plain),
    )
    assert {type(change) for row in rows[2:-2] for change in row.changes} == {Dropped}


def test_the_same_under_two_names_is_made_once(model, known, store, monkeypatch):
    asked, made = request(), []
    monkeypatch.setattr(
        dropping,
        "generate",
        lambda model, rows, *args, **options: (
            made.extend(rows) or np.zeros((len(rows), 8, 8, 3), np.uint8)
        ),
    )
    dropped = doses(rank(known, asked), rank(known, request("van gogh")), asked)
    table = measure(model, asked, dropped, store=store)
    assert len(made) == len(set(made)) < len(table) == 2 * (2 + len(dropped))
    images = table.pivot(index="prompt", columns="condition", values="image")
    assert (images["1280"] == images["random 1280"]).all() and (
        images["1280"] == images["other 1280"]
    ).all()
    assert (images["clean"] != images["100"]).all()


def test_another_artists_neurons_are_as_many_and_of_the_other_ranking(known):
    own, other = rank(known, request()), rank(known, request("van gogh"))
    made = doses(own, other, request())
    assert list(made)[:3] == ["30", "50", "100"] and {
        f"{kind}{n}" for kind in ("", "random ", "other ") for n in dropping.DOSES
    } < set(made)
    assert made["other 320"] == other.dropped(other.top(320)) and made["320"] == own.dropped(
        own.top(320)
    )
    assert [len(c.neurons) for c in made["other 320"]] == [
        len(c.neurons) for c in made["random 320"]
    ]


def test_readings_differ_by_their_options_alone(known):
    asked = request(at="end", to="neutral")
    made = readings(known, asked)
    assert {name.split(": ")[0] for name in made} == set(READINGS) and len(made) == 3 * len(
        READINGS
    )
    first, second = (
        made[f"{name}: 100"] for name in ("the paper's, held-out prompts", "neutral mean")
    )
    assert [c.neurons for c in first] == [c.neurons for c in second]
    assert {c.values for c in first} == {()} and all(
        len(c.values) == len(c.neurons) for c in second
    )
    assert made["the code's: random 640"][0].neurons == made["the paper's: random 640"][0].neurons


# --- what the table says

SHARES = {
    "clean": 0.0,
    "30": 0.1,
    "50": 0.3,
    "100": 0.6,
    "random 100": 0.02,
    "640": 0.9,
    "other 640": 0.3,
    "random 640": 0.1,
    "altered": 1.0,
    "the paper's: 30": 0.1,
    "the paper's: 100": 0.6,
}


def made_up(units=10, full=20.0, seed=0, **shares):
    """A table of `measure`: shares of `full` points by condition, two seeds of each prompt."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        [
            {
                "artist": "monet",
                "condition": name,
                "prompt": f"p{i}",
                "seed": s,
                "style": 50 - full * part + rng.normal(0, 0.3),
                "object": 30 - 4 * part,
                "picks_object": name != "100",
                "image": "",
            }
            for i in range(units)
            for s in (0, 1)
            for name, part in (SHARES | shares).items()
        ]
    )


def test_readings_are_told_in_numbers():
    doses = ("100", "640", "random 640")
    found = report.by_reading(
        made_up(**{f"{name}: {dose}": SHARES[dose] for name in READINGS for dose in doses})
    )
    assert (
        list(found.reading.unique()) == list(READINGS)
        and list(found.dropped) == len(READINGS) * list(doses)
        and set(found.n) == {10}
    )
    for column, what in (("share", 1.0), ("object", -4.0)):
        assert found.groupby("dropped")[column].mean().to_dict() == pytest.approx(
            {dose: what * SHARES[dose] for dose in doses}, abs=0.05
        )
    assert (found.share_low <= found.share).all() and (found.share <= found.share_high).all()


def test_shares_are_of_what_altering_the_layers_removes():
    found = summary(made_up()).set_index("condition")
    assert (
        found.share.to_dict() == pytest.approx(SHARES, abs=0.05)
        and set(found.units) == {10}
        and set(found.unit) == {"prompt"}
    )
    assert (found.share_low <= found.share).all() and (found.share <= found.share_high).all()
    assert (
        found.object["100"] == pytest.approx(27.6)
        and found.picks_object["100"] == 0
        and found.picks_object_high["100"] < 0.3
    )
    few = summary(made_up(units=3))
    assert set(few.unit) == {"image"} and few.share_low.isna().all()  # n too small
    assert set(summary(made_up(units=5)).unit) == {"prompt"}


def test_a_lead_is_the_difference_of_two_shares():
    table = made_up()
    lead = removed(table, "640", "random 640")
    assert (
        lead.value
        == pytest.approx(removed(table, "640").value - removed(table, "random 640").value)
        and lead.low > 0.7
    )


def test_where_altering_removes_nothing_no_share_is_formed():
    found = made_up(full=0.0)
    assert summary(found).share.isna().all()
    assert told(found)[0].outcome == "not settled"
    assert "not defined" in report.enough(found, (100, 640))


def told(table, name="mini-sd-v1-5", **options):
    return report.claims(table, find(name), "8-9 (LocoGen's window, localised)", **options)


NONE = dict.fromkeys(("30", "100", "the paper's: 30", "the paper's: 100"), 0.0)


def test_claims_are_judged_by_their_intervals():
    held = told(made_up())
    nothing = told(made_up(**NONE | {"640": 0.3, "other 640": 0.3}))
    assert [claim.outcome for claim in held] == ["held"] * 7
    assert [claim.outcome for claim in nothing] == [
        *["did not hold"] * 4,
        "held",
        *["did not hold"] * 2,
    ]
    assert all(
        "[" in claim.number and "[" in claim.control and "-0.00" not in claim.number
        for claim in [*held, *nothing]
    )


def test_a17_neurons_the_papers_claims_are_of_neurons_chosen_as_the_paper_does():
    table = made_up(**{"100": 0.0})  # those that other prompts choose do nothing, the paper's do
    outcomes = {claim.text: (claim.section, claim.outcome) for claim in told(table)}
    start = "100 in 1280 neurons of the layers remove more than half of the style"
    assert outcomes[start] == ("7, Figs. 9 and 10", "held")
    section, outcome = outcomes[f"{start}, of prompts that did not choose them"]
    assert section.startswith("ours") and outcome == "did not hold"


def test_a17_neurons_of_layers_that_locogen_did_not_confirm_settle_no_claim_of_the_paper():
    for claim in told(made_up(), sure=False):
        assert claim.outcome == ("not settled" if claim.section.startswith("7") else "held")


def test_a17_neurons_a_planted_models_claims_say_what_they_are_worth():
    planted = told(made_up(), "planted-sd-v1-5")
    assert all("any one of them is enough" in claim.control for claim in planted)
    assert all("planted" not in claim.control for claim in told(made_up()))
    assert all("layers 8-9" in c.control and "10 prompts" in c.control for c in planted)


def test_a17_neurons_natural_models_are_asked_beside_the_planted_one():
    page = neurons_page.NeuronPage()
    assert page.about() == ("mini-sd-v1-5", "mini-sd-v2-1", "planted-sd-v1-5")
    assert [find(name).planted for name in page.about()] == [False, False, True]
    assert 0 < page.of("mini-sd-v2-1").images() < page.images() < 2200
    assert neurons_page.NeuronPage(layers="3").of("mini-sd-v2-1").layers == "auto"


def test_a17_neurons_fewer_numbers_are_enough_for_the_claims(model, known):
    asked = request()
    made = few_doses(rank(known, asked), rank(known, request("van gogh")), asked)
    made |= papers(known, asked)
    table = made_up()
    table = table[table.condition.isin([*made, "clean", "altered"])]
    assert [claim.outcome for claim in told(table)] == ["held"] * 7
    page = neurons_page.NeuronPage(prompts=2)
    alone = page.of("mini-sd-v2-1")._tests()
    assert page.images() == page._tests() * 36 + 2 * alone * (len(made) + 2)


def test_a14_differences_are_of_the_same_prompts():
    """Prompts that differ much in what there is to remove make shares unsure, but not the lead of what removes more of each."""
    rng = np.random.default_rng(0)
    table = made_up(units=12, **{"100": 0.5, "random 100": 0.4})
    table["style"] += table.prompt.map(dict(zip(table.prompt.unique(), rng.normal(0, 30, 12))))
    lead = removed(table, "100", "random 100")
    assert 0.05 < lead.low < lead.value < lead.high < 0.15


def test_prompts_are_drawn_within_artists():
    """Artists that differ do not make the interval wider: it is about these artists."""
    one, other = made_up(units=6), made_up(units=6, seed=1)
    other = other.assign(artist="van gogh", style=other["style"] + 40)
    found = summary(pd.concat([one, other])).set_index("condition").loc["clean"]
    assert found.units == 12 and found.style_high - found.style_low < 2


def test_the_rules_are_seldom_wrong():
    for rate in rates.rates(200):
        assert rate.false_positive <= 0.06 and rate.false_negative <= 0.2, rate


@pytest.mark.parametrize(
    "low, high, says",
    [
        (0.1, 0.9, "held"),
        (-0.2, 0.05, "did not hold"),
        (0.001, 0.01, "did not hold"),
        (-0.2, 0.3, "not settled"),
    ],
)
def test_a_little_is_nothing(low, high, says):
    assert above(Interval(value=(low + high) / 2, low=low, high=high), little=0.1) == says


def test_what_becomes_of_the_object_is_in_points():
    table = made_up()
    assert report.change(table, "640").value == pytest.approx(-3.6)
    assert report.change(table, "clean", "640").value == pytest.approx(3.6)
    assert "-0.00" not in report.said(made_up(**{"100": 0.0}), "100")


def test_the_number_that_removes_half_is_the_smallest():
    said = report.enough(made_up(), (100, 640))
    assert (
        "highest |z|: 100 is the smallest" in said
        and "none of the numbers up to 640 removes half" in said
    )


def test_figures_show_every_condition(known):
    table = summary(
        made_up(**{f"{kind}{n}": 0.1 for kind in ("", "random ", "other ") for n in dropping.DOSES})
    )
    bars = plots.score_bars({"monet": table, "van gogh": table}, scorer="a scorer")
    assert all(
        len(ax.containers) == 2 * len(plots.SHOWN) and "10 prompts" in ax.get_title(loc="left")
        for ax in bars.axes
    )
    lines = plots.dose(table, scorer="a scorer")
    assert all(
        len(ax.containers) == 3 and "a scorer" in ax.get_title(loc="left") for ax in lines.axes
    )
    rankings = {artist: rank(known, request(artist)) for artist in ("monet", "van gogh")}
    ax = plots.z_histogram(
        panels(1)[0], report.sizes(rankings), np.ones(9), report.cut(rankings), title="a title"
    )
    assert len(ax.patches) > 40
    assert (
        len(plots.shared_map(panels(1)[0], in_common(rankings), count=100, title="a title").texts)
        == 4
    )
    plt.close("all")


# --- the page


class Done:
    """A sweep that settles on layers 11-13."""

    found, localised = (11, 12, 13), True
    verdict = type("Verdict", (), {"verdict": "localised"})()
    done = property(lambda self: self)


class Searching:
    """A page of a model whose search ends so."""

    def locate(self, model, attribute, store):
        return Done()


def test_the_pages_layers_are_those_named_planted_of_the_paper_or_found(monkeypatch):
    asked = []
    monkeypatch.setattr(
        neurons_page.FivePage, "asked", lambda self, name: asked.append(name) or Searching()
    )

    def where(name, **options):
        known = type("Known", (), {"spec": find(name), "name": name})()
        return neurons_page.NeuronPage(model=name, **options).where(known, None)

    assert where("planted-sd-v1-5") == ((8, 9), "where it was planted", True)
    assert where("sdxl") == ((45, 46, 47), "the paper's", True)
    assert where("mini-sdxl", layers="3,7-9")[0] == (3, 7, 8, 9) and not asked
    assert where("mini-sd-v1-5") == ((11, 12, 13), "LocoGen's window, localised", True)
    assert len(asked) == 1


@pytest.mark.parametrize(
    "given, message",
    [
        ({"model": "planted-none"}, "No window of planted everywhere .miniature. is known"),
        ({"layers": "eight"}, "not 'eight'"),
        ({"artist": "rembrandt"}, "no prompts of 'rembrandt'; choose all, or one of van gogh"),
        ({"others": "mini-sd-v2-1, sd-v9"}, "Unknown model 'sd-v9'"),
        ({"profile": "slow"}, "'profile'.*'slow'"),
    ],
    ids=str,
)
def test_a_bad_parameter_of_the_page_is_one_sentence(given, message):
    with pytest.raises(UserError, match=message) as error:
        pages.parameters("04_neuron_editing", given)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("model, count", [("planted-sd-v1-5", 96), ("sd-v1-5", 57)])
def test_a_model_gets_the_prompts_that_it_knows(model, count):
    page = neurons_page.NeuronPage(model=model, prompts=0, others="")
    assert (
        len(page.requests((8,))["monet"].prompts) == count
        and sum(len(asked.tests) for asked in page.requests((8,)).values()) == count
    )
    few = neurons_page.NeuronPage(model=model, prompts=2, artist="monet", others="")
    assert [len(few.requests((8,))[name].tests) for name in few.shown()] == [
        2
    ] and 0 < few.images() < page.images() / 20


# --- errors


@pytest.mark.parametrize(
    "change, message",
    [
        ({"artist": "rembrandt"}, "'rembrandt'.*van gogh, monet"),
        ({"tests": ()}, "Images are made of prompts of 'monet'"),
        ({"layers": ()}, "at least one layer"),
        ({"at": "start"}, "'subject' or 'end', not 'start'"),
        ({"to": "one"}, "'zero' or 'neutral', not 'one'"),
        ({"deviation": "none"}, "'sample' or 'population'"),
    ],
    ids=str,
)
def test_a_bad_request_is_one_sentence(change, message):
    with pytest.raises(UserError, match=message) as error:
        replace(request(), **change)
    assert len(str(error.value).splitlines()) == 1


def test_a_list_of_one_artist_has_no_held_out_prompts():
    alone = tuple(p for p in WORLD if p.artist == "monet")
    with pytest.raises(UserError, match="prompts of other artists: two or more, not 0"):
        request(prompts=alone).selection()
    assert len(request(prompts=alone, overlap=True).selection()[0]) == 16


def test_a_layer_or_a_number_outside_the_model_is_refused(model, known):
    with pytest.raises(UserError, match="Layer 16 .* 0 to 15"):
        Activations(model, (8, 16))
    with pytest.raises(UserError, match="from 0 to 1280, not 1281"):
        rank(known, request()).top(1281)


def test_every_family_has_neurons(any_model):
    found = Activations(any_model, (0, 3)).of(
        ["a cat in the style of Van Gogh", "a cat"], artist="van gogh"
    )
    assert (
        all(rows.shape[0] == 2 and np.isfinite(rows).all() for rows in found.values())
        and len(found) == 4
    )
