"""The human study without people: the plan and its blinding, the checker, and the paper's arithmetic."""

import json
import re
import sys
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from locolib import Notice, UserError, __main__, models
from locolib.drawing.sampling import Settings
from locolib.experiments import human
from locolib.experiments.human import crossed, report, witness
from locolib.experiments.human import files as files_
from locolib.experiments.human import page as human_page
from locolib.experiments.human.figures import rate_bars
from locolib.prompts import FOLDER
from locolib.store import Store
from locolib.study import pages


@pytest.fixture(scope="module")
def pairs():
    return human.plan()


@pytest.fixture
def good(pairs):
    """A faultless file of one rater, as lines."""
    table = report.simulate(pairs, ["ann"], 0).drop(columns="simulated")
    return table.to_csv(index=False).splitlines()


def write(path, lines):
    path.write_text("\n".join(lines) + "\n")
    return path


# --- the prompts and the plan


def test_the_prompts_are_those_of_the_paper():
    items = human.read()
    originals = [item.original for item in items]
    assert [item.number for item in items] == list(range(1, 12))
    assert len(set(originals)) == 10 and originals.count("a town in the style of monet") == 2
    assert pd.Series([item.attribute for item in items]).value_counts().to_dict() == {
        "style": 6,
        "object": 3,
        "fact": 2,
    }


@pytest.mark.parametrize(
    "change, message",
    [
        (("style,van gogh", "colour,van gogh"), "row 2, column 'attribute': 'colour'"),
        (("style,van gogh", "style,dali"), "row 2, column 'asked': 'dali'"),
        (("number,", "nr,"), "exactly the columns number, original"),
        (("a painting of a house", ""), "row 2, column 'target': ''"),
        (("\n5,", "\nfive,"), "row 6, column 'number': 'five'"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[1],
)
def test_a_broken_list_of_prompts_is_named_with_row_and_column(tmp_path, change, message):
    path = tmp_path / "own.csv"
    path.write_text((FOLDER / "human_study.csv").read_text().replace(*change, 1))
    with pytest.raises(UserError, match=message):
        human.read(path)


def test_132_pairs_and_12_placebos(pairs):
    real = [pair for pair in pairs if not pair.placebo]
    assert len(real) == 132 and len(pairs) == 144 and len({pair.pair for pair in pairs}) == 144
    table = human.table(pairs)
    assert set(table[~table.placebo].model.value_counts()) == {33} and set(
        table[table.placebo].model.value_counts()
    ) == {3}
    assert set(table[table.placebo].attribute.value_counts()) == {4}
    assert human.plan() == pairs


def test_real_pairs_alter_the_papers_window_and_placebos_a_disjoint_one_of_its_size(pairs):
    for pair in pairs:
        start, m = models.find(pair.model).paper[pair.attribute]
        altered = pair.rows()[1].changes[0].layers
        assert len(altered) == m and max(altered) < models.find(pair.model).layers
        assert (
            (altered[0] == start)
            if not pair.placebo
            else not set(altered) & set(range(start, start + m))
        )


def test_no_noise_is_used_twice_in_a_model(pairs):
    assert not human.table(pairs).duplicated(["model", "seed"]).any()


def test_windows_that_are_not_known_or_leave_no_room():
    with pytest.raises(UserError, match="mini-deepfloyd is known for style"):
        human.plan(["mini-deepfloyd"])
    with pytest.raises(UserError, match="disjoint from 0-8"):
        human.plan(
            ["mini-sd-v1-5"],
            windows={("mini-sd-v1-5", attribute): (0, 9) for attribute in human.ATTRIBUTES},
        )


def test_every_rater_has_an_order_of_his_own_that_is_always_the_same(pairs):
    ann, bob = human.order(pairs, "Ann"), human.order(pairs, "bob")
    assert ann == human.order(pairs[::-1], "  ann ") != bob and sorted(ann) == sorted(
        bob
    ) == sorted(pair.pair for pair in pairs)
    placebos = {pair.pair for pair in pairs if pair.placebo}
    places = [
        i
        for name in map(str, range(50))
        for i, pair in enumerate(human.order(pairs, name))
        if pair in placebos
    ]
    assert abs(np.mean(places) - 71.5) < 6  # nor are placebos early or late


def test_the_page_tells_nothing_of_model_window_or_placebo(pairs, tmp_path):
    grey = np.zeros((4, 4, 3), np.uint8)
    page = human.write_page(
        pairs, {pair.pair: (grey, grey) for pair in pairs}, tmp_path / "page.html"
    ).read_text()
    for word in ("mini-", "sdxl", "openjourney", "placebo"):
        assert word not in page
    shown = json.loads(
        re.search(r'<script type="application/json" id="study">(.*)</script>', page)[1]
    )["pairs"]
    assert {tuple(pair) for pair in shown} == {("id", "question", "low", "high", "left", "right")}
    assert [pair["id"] for pair in shown] == sorted(pair.pair for pair in pairs)
    assert human.read_plan(tmp_path / "page.plan.csv") == pairs


def test_a_plan_that_a_spreadsheet_saved_is_read_as_it_was(pairs, tmp_path):
    """Excel writes TRUE and FALSE; read as "not True", all placebos would be real pairs."""
    text = human.table(pairs).to_csv(index=False)
    path = tmp_path / "p.csv"
    path.write_text(
        "\ufeff" + text.replace("True", "TRUE").replace("False", "FALSE").replace(",", ";"),
        encoding="utf-8",
    )
    assert (
        human.read_plan(path) == pairs and sum(pair.placebo for pair in human.read_plan(path)) == 12
    )


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda line: line.replace("False", "FALSCH"), "row 2, column 'placebo': 'FALSCH'"),
        (lambda line: line.replace("False", ""), "row 2, column 'placebo': ''"),
        (lambda line: re.sub(r",(\d+),False", ",nan,False", line), "row 2, column 'm': 'nan'"),
        (lambda line: line.replace("mini-sd-v1-5", "sd-v9"), "row 2, column 'model': 'sd-v9'"),
        (lambda line: line.replace(",style,", ",colour,"), "row 2, column 'attribute': 'colour'"),
        (lambda line: f"{line}\n{line}", "row 3, column 'pair'"),
    ],
    ids=["placebo", "no placebo", "nan", "model", "attribute", "twice"],
)
def test_a_broken_plan_is_named_with_row_and_column(pairs, tmp_path, change, message):
    lines = human.table(pairs).to_csv(index=False).splitlines()
    path = write(tmp_path / "p.csv", [lines[0], change(lines[1]), *lines[2:]])
    with pytest.raises(UserError, match=message) as error:
        human.read_plan(path)
    assert "locolib rate page" in str(error.value) and len(str(error.value).splitlines()) == 1


def test_no_pair_has_a_name_that_spreadsheets_take_for_another(pairs):
    """Of ten hexadecimal digits some are 12e4567890, a large number, or 0012345678, which loses its zeros."""
    items = [
        human.Item(
            number=i,
            original=f"cat {i}",
            target="x",
            attribute="object",
            asked="cat",
            source="ours",
        )
        for i in range(1, 600)
    ]
    names = [pair.pair for pair in human.plan(["mini-sd-v1-5"], items=items, placebos=0)]
    assert len(set(names)) == len(names) == 3 * 599 and {len(name) for name in names} == {10}
    assert any(name.startswith("p") for name in names) and not [
        name for name in names if re.fullmatch(r"0\d+|\d+e\d+", name)
    ]


def test_nothing_in_the_data_ends_the_script(tmp_path):
    item = human.Item(
        number=1,
        original="</script><b>",
        target="x",
        attribute="object",
        asked="</script><b>",
        source="ours",
    )
    pairs = human.plan(["mini-sd-v1-5"], items=[item], placebos=0)
    grey = np.zeros((4, 4, 3), np.uint8)
    page = human.write_page(
        pairs, {pair.pair: (grey, grey) for pair in pairs}, tmp_path / "page.html"
    ).read_text()
    assert page.count("</script>") == 2 and "<b>" not in page


# --- images


def test_images_of_pairs_come_from_the_model_and_are_kept(organisms, store):
    pairs = human.plan(["mini-sd-v1-5"], seeds=1, placebos=1)[-3:]
    model = models.load("mini-sd-v1-5")
    images = human.render(model, pairs, Settings(steps=1, guidance=3.0), store=store)
    assert set(images) == {pair.pair for pair in pairs} and images[pairs[0].pair][0].shape == (
        64,
        64,
        3,
    )
    assert any((clean != altered).any() for clean, altered in images.values())
    assert [name.startswith("mini-sd-v1-5-human_study-") for name in store.runs()] == [True]
    again = human.render(model, pairs, Settings(steps=1, guidance=3.0), store=Store(store.root))
    assert all(np.array_equal(images[name], again[name]) for name in images)
    found = witness.machine(pairs, images, models.load_scorer("scorer"))
    assert (
        len(found) == 3
        and found.altered.dtype == bool
        and "placebo pairs" in set(witness.seen(found).pairs)
    )
    seen = witness.seen(found).set_index(["pairs", "image"]).loc["all pairs"]
    assert (
        seen.nearer.to_dict()
        == {side: found[~found.placebo][side].mean() for side in ("clean", "altered")}
        and seen.nearer_low.isna().all()  # two pairs are too few
    )


# --- the checker


def test_a_faultless_file_passes(good, pairs, tmp_path):
    found = human.check(write(tmp_path / "a.csv", good), pairs, rater="ann")
    assert len(found) == 144 and found.rating.between(1, 5).all() and not found.simulated.any()


def test_a_byte_order_mark_of_a_spreadsheet_is_no_mistake(good, pairs, tmp_path):
    assert human.problems(write(tmp_path / "a.csv", ["\ufeff" + good[0], *good[1:]]), pairs) == []


@pytest.mark.parametrize(
    "written",
    [
        lambda lines: [line + "," for line in lines],
        lambda lines: [line.replace(",", ";") for line in lines],
        lambda lines: [line.replace(",", ", ") for line in lines],
        lambda lines: [*lines, "", ",,,,"],
        lambda lines: [line.replace(",", "\t") for line in lines],
    ],
    ids=["trailing comma", "semicolons", "blanks", "blank rows", "tabs"],
)
def test_what_spreadsheets_write_is_read(good, pairs, tmp_path, written):
    plain = human.check(write(tmp_path / "a.csv", good), pairs)
    found = human.check(write(tmp_path / "b.csv", written(good)), pairs)
    assert found.drop(columns="question").equals(plain.drop(columns="question"))


def test_a_decimal_comma_is_read(good, pairs, tmp_path):
    seconds = [line.rsplit(",", 1)[0].replace(",", ";") + ";1,5" for line in good[1:]]
    assert (
        human.check(write(tmp_path / "a.csv", [good[0].replace(",", ";"), *seconds]), pairs)
        .seconds.eq(1.5)
        .all()
    )


def test_a_long_list_of_one_kind_of_problem_is_counted(good, pairs, tmp_path):
    wrong = human.problems(
        write(tmp_path / "a.csv", [*good[:1], *(rated(line, "9") for line in good[1:])]), pairs
    )
    said = human.listed([*wrong, "another kind"])
    assert (
        len(wrong) == 144
        and len(said) == 22
        and said[20] == "... and 124 more like this"
        and said[:20] == wrong[:20]
    )


def test_kinds_of_problems_do_not_depend_on_files_and_names():
    wrong = [
        f"/some/f{i}.csv, row {i}: the rater is {name!r}, not 'ann'; a file is of one rater, with a name."
        for i, name in enumerate(["bob", "o'hara", ""] * 9)
    ]
    wrong += [
        f"/some/f{i}.csv ends at row 1 without pair 'x'; open the page again and rate it."
        for i in range(3)
    ]
    assert human.listed(wrong) == [*wrong[:20], "... and 7 more like this", *wrong[27:]]


@pytest.mark.parametrize("written, rating", [("4.0", 4), ("5,0", 5), ("3.", 3)])
def test_a_whole_number_may_be_written_with_its_decimals(good, pairs, tmp_path, written, rating):
    """As a table writes it that once had a gap."""
    lines = [line.replace(",", ";") for line in good]
    pair, rater, _, rest = lines[1].split(";", 3)
    found = human.check(
        write(tmp_path / "a.csv", [lines[0], f"{pair};{rater};{written};{rest}", *lines[2:]]), pairs
    )
    assert found.rating.iloc[0] == rating and found.rating.dtype == int


def rated(line: str, rating: str) -> str:
    pair, rater, _, rest = line.split(",", 3)
    return f"{pair},{rater},{rating},{rest}"


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda lines: lines[:-1], "ends at row 144 without pair"),
        (lambda lines: [*lines, lines[4]], "row 146: pair .* was rated before, in row 5"),
        (
            lambda lines: [*lines[:2], rated(lines[2], "6"), *lines[3:]],
            "row 3: the rating must be a whole number from 1 to 5, not '6'",
        ),
        (lambda lines: [*lines[:2], rated(lines[2], "0"), *lines[3:]], "row 3: .* not '0'"),
        (lambda lines: [*lines[:2], rated(lines[2], "3.5"), *lines[3:]], "row 3: .* not '3.5'"),
        (lambda lines: [*lines[:2], rated(lines[2], "good"), *lines[3:]], "row 3: .* not 'good'"),
        (lambda lines: [*lines[:2], rated(lines[2], ""), *lines[3:]], "row 3: .* not ''"),
        (lambda lines: [*lines[:2], rated(lines[2], "nan"), *lines[3:]], "row 3: .* not 'nan'"),
        (lambda lines: [*lines[:2], rated(lines[2], "４"), *lines[3:]], "row 3: .* not '４'"),
        (
            lambda lines: [*lines[:2], "", rated(lines[2], "6"), *lines[3:]],
            "row 4: the rating must be",
        ),
        (
            lambda lines: [*lines, lines[1].replace(lines[1][:10], "0123456789")],
            "row 146: there is no pair '0123456789'",
        ),
        (
            lambda lines: [*lines[:7], lines[7].replace(",ann,", ",bob,"), *lines[8:]],
            "row 8: the rater is 'bob', not 'ann'",
        ),
        (lambda lines: [line.replace(",ann,", ",,") for line in lines], "row 2: the rater is ''"),
        (
            lambda lines: ["pair,rater,rating", *lines[1:]],
            "must have exactly the columns pair, rater, rating, question, seconds",
        ),
        (lambda lines: lines[:1], "ends at row 1 without pair"),
    ],
    ids=[
        "missing",
        "doubled",
        "6",
        "0",
        "3.5",
        "word",
        "empty",
        "nan",
        "wide four",
        "after a blank row",
        "unknown",
        "two raters",
        "no rater",
        "columns",
        "no rows",
    ],
)
def test_every_mistake_of_a_file_is_named_by_its_row(good, pairs, tmp_path, spoil, message):
    path = write(tmp_path / "a.csv", spoil(good))
    with pytest.raises(UserError, match=message) as error:
        human.check(path, pairs)
    assert "a.csv" in str(error.value) and len(str(error.value).splitlines()) == 1


def test_another_rater_than_expected(good, pairs, tmp_path):
    with pytest.raises(UserError, match="row 2: the rater is 'ann', not 'bob'"):
        human.check(write(tmp_path / "a.csv", good), pairs, rater="bob")


def test_all_problems_are_told_at_once(good, pairs, tmp_path):
    lines = [good[0], rated(good[1], "9"), *good[3:], good[5]]
    said = human.problems(write(tmp_path / "a.csv", lines), pairs)
    assert (
        len(said) == 3 and "row 2" in said[0] and "row 145" in said[1] and "without pair" in said[2]
    )


def test_a_folder_holds_one_file_of_each_rater(good, pairs, tmp_path):
    write(tmp_path / "a.csv", good)
    write(tmp_path / "b.csv", [line.replace(",ann,", ",bob,") for line in good])
    assert set(human.collect(tmp_path, pairs).rater) == {"ann", "bob"}
    write(tmp_path / "c.csv", good)
    with pytest.raises(UserError, match="c.csv is a second file of the rater 'ann'"):
        human.collect(tmp_path, pairs)


def test_a_rater_is_one_however_the_name_is_written(good, pairs, tmp_path):
    """The page gives "Ann" and "ann" the same order and the same progress, so they are one person, and not two who agree."""
    paths = [
        write(tmp_path / "a.csv", good),
        write(tmp_path / "b.csv", [line.replace(",ann,", ", Ann ,") for line in good]),
    ]
    with pytest.raises(UserError, match="b.csv is a second file of the rater 'Ann'"):
        human.collect(tmp_path, pairs)
    assert human.all_problems(paths, pairs) == [
        f"{paths[1]} is a second file of the rater 'Ann'; keep one of the two."
    ]
    assert human.all_problems(paths[:1], pairs) == []


def test_files_are_taken_by_what_they_are(good, pairs, tmp_path):
    """.CSV is CSV, what macOS and spreadsheets hide beside a file is none, and a table of another kind is not left out in silence."""
    write(tmp_path / "A.CSV", good)
    for hidden in ("._A.CSV", ".hidden.csv", "~$ann.csv"):
        (tmp_path / hidden).write_bytes(b"\0\5\x16\7")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert set(human.collect(tmp_path, pairs).rater) == {"ann"}
    (tmp_path / "bob.xlsx").write_bytes(b"PK")
    with pytest.warns(
        Notice, match="bob.xlsx is no CSV file, so its ratings do not count; save it as one"
    ):
        assert set(human.collect(tmp_path, pairs).rater) == {"ann"}


def test_a_folder_that_is_not_there_is_no_empty_one(good, pairs, tmp_path, monkeypatch):
    for place in (tmp_path / "none", write(tmp_path / "a.csv", good)):
        with pytest.raises(UserError, match=f"There is no folder {place} of ratings"):
            human.collect(place, pairs)
    monkeypatch.setattr(files_, "SENT", tmp_path / "usual")
    assert human.collect(tmp_path / "usual", pairs) is None  # nobody has rated yet


def test_a_folder_that_was_named_has_ratings(pairs, tmp_path, monkeypatch):
    """Else simulated ratings would be shown in the place of those that somebody sent."""
    with pytest.raises(UserError, match=f"{tmp_path} has no CSV file of ratings; put those there"):
        human.collect(tmp_path, pairs)
    monkeypatch.setattr(files_, "SENT", tmp_path)
    (tmp_path / "README").write_text("")
    assert human.collect(tmp_path, pairs) is None  # nobody has rated yet
    (tmp_path / "ann.xlsx").write_bytes(b"PK")
    with pytest.raises(UserError, match=r"no CSV file of ratings \(ann.xlsx is none\).*as CSV"):
        human.collect(tmp_path, pairs)


# --- the analysis


def of_counts(pairs, by: str) -> pd.DataFrame:
    """Five raters whose ratings have the paper's counts in each group (by attribute, or by model)."""
    real, parts = human.table(pairs), []
    real = real[~real.placebo]
    groups = (
        real.attribute
        if by == "attribute"
        else pd.Series([models.find(name).original for name in real.model], index=real.index)
    )
    for group, part in real.groupby(groups):
        least = [5 * len(part), *report.counts(by, group), 0]
        given = np.repeat([1, 2, 3, 4, 5], -np.diff(least))
        parts.append(
            pd.DataFrame(
                {
                    "pair": np.repeat(part.pair, 5).to_numpy(),
                    "rater": list("abcde") * len(part),
                    "rating": given,
                }
            )
        )
    return pd.concat(parts).assign(simulated=False)


@pytest.mark.parametrize("by", ["attribute", "model"])
def test_the_papers_percentages_follow_from_whole_counts(pairs, by):
    found = report.rates(of_counts(pairs, by), pairs)
    part = found[found.by == by]
    assert len(part) == 4 * part.group.nunique() and (part.n == part.paper_n).all()
    assert (100 * part.rate).round(2).tolist() == (100 * part.paper).round(2).tolist()
    assert (part.low < part.rate + 1e-9).all() and (part.rate < part.high + 1e-9).all()
    whole = found[(found.by == "all") & (found.at_least == 2)].iloc[0]
    assert whole["count"] == 611 and whole.n == 660 and round(100 * whole.rate, 2) == 92.58


def test_the_papers_attributes_and_models_add_up_to_the_same_ratings():
    assert report.paper_totals().to_numpy().tolist() == [[660, 611, 490, 351, 192]] * 2
    assert report.counts("attribute", "style")[0] == 325


def test_alpha_is_that_of_krippendorffs_example():
    """Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", part C: ordinal 0.815."""
    missing = np.nan
    values = np.array(
        [
            [1, 2, 3, 3, 2, 1, 4, 1, 2, missing, missing, missing],
            [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, missing, 3],
            [missing, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, missing],
            [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, missing],
        ]
    )
    assert crossed.alpha(values) == pytest.approx(0.815, abs=5e-4)
    assert crossed.alpha(values[::-1, ::-1]) == pytest.approx(
        crossed.alpha(values)
    )  # raters and pairs have no order


def test_alpha_is_that_of_the_handbooks_definition():
    """Over all pairs of ratings, one by one: the same as by coincidences; grades are ordered, not spaced, so 5 may be called 50."""
    rng = np.random.default_rng(0)
    values = rng.integers(1, 6, (4, 30)).astype(float)
    values[rng.random(values.shape) < 0.2] = np.nan
    units = [column[~np.isnan(column)] for column in values.T]
    units = [unit for unit in units if len(unit) > 1]
    pooled = np.concatenate(units)

    def apart(a, b):
        low, high = min(a, b), max(a, b)
        between = [(pooled == g).sum() for g in np.unique(pooled) if low <= g <= high]
        return (sum(between) - (between[0] + between[-1]) / 2) ** 2

    observed = sum(
        apart(a, b) / (len(unit) - 1)
        for unit in units
        for i, a in enumerate(unit)
        for j, b in enumerate(unit)
        if i != j
    )
    expected = sum(
        apart(a, b) for i, a in enumerate(pooled) for j, b in enumerate(pooled) if i != j
    ) / (len(pooled) - 1)
    assert crossed.alpha(values) == pytest.approx(1 - observed / expected)
    assert crossed.alpha(np.where(values == 5, 50, values)) == pytest.approx(crossed.alpha(values))


@pytest.mark.parametrize(
    "values, expected",
    [
        ([[1, 3, 5], [1, 3, 5]], 1.0),
        ([[1, 3, np.nan, 2], [1, 3, 4, np.nan]], 1.0),
        ([[1, 5], [5, 1]], -0.5),
        ([[1, 3, 5]], np.nan),
        ([[2, 2], [2, 2]], np.nan),
        ([[1, np.nan], [np.nan, 4]], np.nan),
        ([[np.nan] * 3] * 2, np.nan),
    ],
    ids=[
        "same",
        "same where both rated",
        "opposite",
        "one rater",
        "one value",
        "no pair rated twice",
        "nothing",
    ],
)
def test_alpha_at_its_ends(values, expected):
    assert crossed.alpha(np.array(values, float)) == pytest.approx(expected, nan_ok=True)


def test_simulated_ratings_are_reproducible_and_named(pairs):
    table = report.simulate(pairs, ["ann", "bob"], 3)
    assert table.equals(report.simulate(pairs, ["ann", "bob"], 3)) and not table.equals(
        report.simulate(pairs, ["ann", "bob"], 4)
    )
    assert table.simulated.all() and len(table) == 288 and table.rating.between(1, 5).all()
    found, agree = report.rates(table, pairs), report.agreement(table, pairs)
    assert found.simulated.all() and 0.5 < agree.low < agree.value < agree.high < 1
    placebo = found[(found.by == "placebo") & (found.at_least == 3)].iloc[0]
    assert placebo.n == 24 and placebo.rate < 0.2 and np.isnan(placebo.paper)


def test_the_conclusion_claims_nothing_from_simulated_ratings_and_compares_real_ones(pairs):
    table = report.simulate(pairs, ["ann"], 0)
    whole = report.rates(table, pairs)
    agree = report.agreement(table, pairs)
    assert np.isnan(agree.value)  # one rater agrees with nobody
    said = report.conclusion(whole, agree, report.beyond_placebo(table, pairs))
    assert "Not tested" in said and "92.58" not in said
    counted = of_counts(pairs, "model")
    real = report.conclusion(
        report.rates(counted, pairs), agree, report.beyond_placebo(counted, pairs)
    )
    assert (
        real.startswith("- **Held**: 92.6% [")
        and "of 660 ratings (132 pairs, 5 raters)" in real
        and "placebo" not in real
    )
    flat = table.assign(rating=1, simulated=False)
    more = report.beyond_placebo(flat, pairs)
    assert report.conclusion(report.rates(flat, pairs), agree, more).count("Did not hold") == 2


def test_a_figure_of_simulated_ratings_says_so(pairs):
    figure = rate_bars(report.rates(report.simulate(pairs, ["ann"], 0), pairs))
    assert all("SIMULATED" in ax.get_title(loc="left") for ax in figure.axes)
    plt.close(figure)


# --- the notebook's parameters and the command line


def test_the_page_needs_the_papers_four_models_and_288_images():
    page = pages.parameters("06_human_study", {})
    assert page.about() == human.FOUR and page.images() == 288 and page.settings.steps == 6
    assert (
        pages.parameters("06_human_study", {"which": "mini-sdxl, mini-openjourney"}).images() == 144
    )
    with pytest.raises(UserError, match="Unknown model 'sd-v9'"):
        pages.parameters("06_human_study", {"which": "sd-v9"})


@pytest.fixture
def run(organisms, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOCOLIB_STORE", str(tmp_path / "store"))

    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["locolib", *arguments])
        with pytest.raises(SystemExit) as stopped:
            __main__.main()
        return stopped.value.code or 0, *capsys.readouterr()

    return command


def test_the_command_line_writes_a_page_and_checks_what_comes_back(run, tmp_path):
    options = (
        "--model",
        "mini-sd-v1-5",
        "--windows",
        "paper",
        "--seeds",
        "1",
        "--placebos",
        "1",
        "--steps",
        "1",
    )
    code, out, _ = run("rate", "page", "--out", "build/rating.html", *options)
    assert code == 0 and "12 pairs, 1 of them placebos" in out
    pairs = human.read_plan(tmp_path / "build/rating.plan.csv")
    report.simulate(pairs, ["ann"], 0).drop(columns="simulated").to_csv("ann.csv", index=False)
    code, out, _ = run("rate", "check", "ann.csv")
    assert code == 0 and "12 pairs each: nothing is wrong" in out
    human.table(human.plan(seeds=2)).to_csv("other.csv", index=False)
    code, _, err = run("rate", "check", "ann.csv", "--plan", "other.csv")
    assert code == 2 and "there is no pair" in err and "wrong in 1 file" in err
    code, _, err = run("rate", "check", "ann.csv", "ann.csv")
    assert (
        code == 2
        and "ann.csv is a second file of the rater 'ann'" in err
        and "1 thing(s) wrong in 2 file(s)" in err
    )
    pd.read_csv("ann.csv").assign(rating=9).loc[lambda d: d.index.repeat(3)].to_csv(
        "bad.csv", index=False
    )
    code, out, err = run("rate", "check", "bad.csv")
    lines = err.strip().splitlines()
    assert (
        code == 2
        and out == ""
        and len(lines) == 2 * 21 + 1
        and lines[20] == "... and 16 more like this"
        and lines[41] == "... and 4 more like this"
    )


def test_pairs_are_made_at_the_windows_that_locogen_finds(organisms, store):
    page = human_page.HumanPage(which="mini-sd-v1-5", windows="found", profile="smoke", seeds=1)
    sweeps = page.sweeps([models.load("mini-sd-v1-5")], store)
    for pair in page.plan(sweeps)[:11]:
        assert pair.start == sweeps["mini-sd-v1-5", pair.attribute].verdict.start


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("rate", "check", "none.csv"), "no file build/rating.plan.csv"),
        (("rate", "page", "--out", "p.html", "--model", "sd-v9"), "Unknown model 'sd-v9'"),
        (
            ("rate", "page", "--out", "p.html", "--windows", "paper", "--model", "mini-deepfloyd"),
            "No window of mini-deepfloyd",
        ),
        (("rate", "page", "--out", "p.html", "--seeds", "0"), "'seeds'"),
    ],
    ids=str,
)
def test_a_mistake_is_one_message_and_exit_code_2(run, arguments, words):
    code, _, err = run(*arguments)
    assert code == 2 and words in err and "Traceback" not in err
