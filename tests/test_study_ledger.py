"""The ledger's page: every claim shown, its outcome first, filtered without a network, and the same as data."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from locolib import claims as claims_
from locolib import scores
from locolib.claims import Claim
from locolib.models import MODELS
from locolib.scores import NOTHING, Interval
from locolib.study import ledger, pages, parameters

TITLES = {name: spec.title for name, spec in MODELS.items()}


class Rows(HTMLParser):
    """The outcomes and links of the rows of claims in a page, and what is hidden before a script has run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows, self.links, self.hidden, self.ids = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        at = dict(attributes)
        self.ids += [at["id"]] if "id" in at else []
        self.hidden += [tag] if "hidden" in at else []
        if tag == "tr" and "data-outcome" in at:
            self.rows.append((at["data-outcome"], at["data-model"], at["data-page"]))
        if tag == "a" and self.rows and len(self.links) < len(self.rows):
            self.links.append(at["href"])


@pytest.fixture
def told(store) -> list[dict]:
    """Claims of three pages and two models, as the ledger's page gets them."""
    for page, model, texts in (
        (
            "03_locoedit",
            "planted-sd-v1-5",
            ("style: the subject's last token is the one to edit", "a <b> & c"),
        ),
        ("01_causal_tracing", "mini-sdxl", ("there is no strong causal state in the UNet",)),
        ("02b_five_models", "mini-sdxl", ("style: in layers 45-47, and LocoGen says so",)),
        ("02b_five_models", "mini-sd-v1-5", ("fact: in layers 6-7, and LocoGen says so",)),
    ):
        claims_.keep(
            store,
            page,
            model,
            [
                Claim(
                    text=text,
                    section="5.2, Fig. 5",
                    number="share 0.98 [0.90, 1.02]",
                    control="chance",
                    outcome=outcome,
                )
                for text, outcome in zip(texts, ("held", "not settled"))
            ],
        )
    return ledger.records(claims_.table(store))


# --- numbers


@pytest.mark.parametrize(
    "interval",
    [
        (0.5, 0.25, 0.75),
        (-1.0, -2.5, 0.0),
        (120.0, -np.inf, np.inf),
        (0.0, -0.0, 0.01),
        (1e6, 1.0, 2e6),
    ],
    ids=str,
)
def test_an_interval_is_read_as_it_was_written(interval):
    made = Interval(**dict(zip(("value", "low", "high"), interval)))
    assert scores.parsed(str(made)) == made
    assert scores.parsed(f"layers 8-9, [1, 2], share {made} points, {NOTHING}") == made


def test_an_interval_is_read_as_far_as_it_was_written():
    made = Interval(value=1 / 3, low=-1 / 7, high=2 / 3)
    assert scores.parsed(str(made)) == Interval(value=0.33, low=-0.14, high=0.67) and str(
        scores.parsed(str(made))
    ) == str(made)


def test_what_is_not_defined_is_read_as_that_and_nothing_else_is_an_interval():
    assert np.isnan(scores.parsed(f"share {NOTHING}").value)
    assert scores.parsed("2 of 8 states, 3 [a], layers [8, 9]") is None


@pytest.mark.parametrize(
    "number, value, unit",
    [
        ("31.62 [26.75, 36.60] points", 31.62, "points"),
        ("localised, 8-9, share 0.99 [0.98, 1.00]", 0.99, "share"),
        ("rank correlation 0.34 [-0.33, 0.80]", 0.34, "rank correlation"),
        ("mlp 0 of text_encoder: share 0.58 [0.18, 0.92]", 0.58, "share"),
        ("a share of 0.10 [0.00, 0.20]", 0.1, "share"),
        ("a lead of 0.10 [0.00, 0.20] in shares", 0.1, "shares"),
        ("1.01 [1.00, 1.01]", 1.01, None),
        ("2 of 8 states have a share above 0", None, None),
        ("share not defined", None, "share"),
    ],
    ids=str,
)
def test_numbers_are_data(number, value, unit):
    found = ledger._interval(number)
    assert (found["value"], found["unit"]) == (value, unit)


def test_open_ends_are_no_numbers():
    assert ledger._interval(str(Interval(value=1.0, low=-np.inf, high=2.0))) == {
        "value": 1.0,
        "low": None,
        "high": 2.0,
        "unit": None,
    }


# --- claims as data


def test_claims_say_on_what_and_by_which_code_they_were_measured(told):
    assert {len(one["weights"]) for one in told} <= {16, len("unknown")} and len(
        {one["commit"] for one in told}
    ) == 1
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert {
        "claim",
        "section",
        "outcome",
        "number",
        "value",
        "low",
        "high",
        "unit",
        "control",
        "model",
        "page",
        "link",
        "weights",
        "commit",
    } <= set(told[0])


def test_claims_come_by_question_page_and_model(told, store):
    assert [(one["page"], one["model"]) for one in told] == [
        ("02b_five_models", "mini-sd-v1-5"),
        ("02b_five_models", "mini-sdxl"),
        ("01_causal_tracing", "mini-sdxl"),
        ("03_locoedit", "planted-sd-v1-5"),
        ("03_locoedit", "planted-sd-v1-5"),
    ]
    assert told == ledger.records(claims_.table(store))


def test_weights_are_those_of_the_models_files(tmp_path, monkeypatch):
    monkeypatch.setattr(claims_, "ORGANISMS", tmp_path)
    spec, folder = MODELS["mini-sdxl"], tmp_path / "mini-sdxl"
    assert claims_.weights(spec) == "unknown"
    (folder / "unet").mkdir(parents=True)
    (folder / "training").mkdir()
    (folder / "unet" / "a").write_bytes(b"1")
    first = claims_.weights(spec)
    (folder / "training" / "log").write_bytes(b"2")
    assert claims_.weights(spec) == first and len(first) == 16
    (folder / "unet" / "a").write_bytes(b"2")
    assert claims_.weights(spec) != first


def test_the_commit_is_that_of_the_code(tmp_path, monkeypatch):
    if not shutil.which("git"):
        pytest.skip("there is no git")
    file = tmp_path / "ledger.py"
    file.write_text("1")
    monkeypatch.setattr(claims_, "__file__", str(file))
    assert claims_.commit() == "unknown"

    def git(*words: str) -> str:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words]
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout.strip()

    git("init", "-q")
    assert claims_.commit() == "unknown"  # another's repository
    git("add", "ledger.py")
    git("commit", "-qm", "a")
    assert claims_.commit() == git("rev-parse", "HEAD")
    file.write_text("2")
    assert claims_.commit() == f"{git('rev-parse', 'HEAD')}+changes"


# --- where claims were measured


def test_every_page_that_keeps_claims_belongs_to_a_question():
    listed = [page for part in ledger.QUESTIONS.values() for page in part]
    assert set(parameters.LedgerPage.after) == set(listed) and len(listed) == len(set(listed))


@pytest.mark.parametrize("page", ledger.SECTIONS)
def test_the_sections_that_measure_claims_are_in_their_notebooks(page):
    assert set(ledger.SECTIONS[page].values()) | {ledger.CLOSE} <= set(ledger.headings(page))


def test_a_claim_without_a_section_is_linked_to_where_its_page_closes():
    assert ledger.measured_in("03_locoedit", "something new") == ledger.CLOSE
    assert (
        ledger.link("01_causal_tracing", "mini-sdxl", "The UNet")
        == "notebooks/01_causal_tracing-mini-sdxl.html#the-unet"
    )
    assert (
        ledger.link("04_neuron_editing", "planted-sd-v1-5", "Fig. 10 again")
        == "notebooks/04_neuron_editing.html#fig-10-again"
    )


# --- the page


def test_every_claim_is_a_row_which_no_script_need_show(told):
    text = ledger.page(told, TITLES).data
    found = Rows(text)
    assert found.rows == [(one["outcome"], one["model"], one["page"]) for one in told]
    assert found.links == [one["link"] for one in told] and found.hidden == ["form"]
    assert (
        "a &lt;b&gt; &amp; c" in text
        and "{{" not in text
        and "http" not in text.replace("http-equiv", "")
    )
    assert len(found.ids) == len(set(found.ids))


def test_a7_the_page_has_as_many_rows_as_there_are_claims(told, store):
    """Ninety claims and more (pandas folds tables of over 60 rows away), on the page, in its data, and in any table of a page."""
    many = [told[0] | {"claim": f"style: claim {i}"} for i in range(130)]
    assert len(Rows(ledger.page(many, TITLES).data).rows) == 130
    claims = [Claim(text=f"c{i}", section="5.2", number="1", outcome="held") for i in range(130)]
    claims_.keep(store, "07c_by_artist", "planted-prompt", claims)
    table = claims_.table(store)
    assert len(table) == len(ledger.records(table)) >= 130
    assert table.to_html().count("<tr") == len(table) + 1 and "..." not in repr(table.claim)


def test_a_ledger_without_claims_is_a_page_too():
    assert Rows(ledger.page([], TITLES).data).rows == []


def test_outcomes_can_be_read_by_all_eyes():
    """WCAG's contrast of the words on their ground, which they bring along to a light and to a dark page."""
    style = ledger.TEMPLATE.read_text()

    def light(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        return sum(
            w * (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4)
            for w, c in zip((0.2126, 0.7152, 0.0722), parts)
        )

    grounds = {
        name: re.search(rf"\.{name.replace(' ', '-')} \.said {{ background: (#\w{{6}})", style)[1]
        for name in claims_.OUTCOMES
    }
    assert (
        all(1.05 / (light(ground) + 0.05) >= 4.5 for ground in grounds.values())
        and len(set(grounds.values())) == 3
    )


@pytest.fixture
def file(told, tmp_path) -> Path:
    path = tmp_path / "ledger.html"
    path.write_text(
        f"<!doctype html><html lang=en><meta name=viewport content='width=device-width'><title>a</title>{ledger.page(told, TITLES).data}"
    )
    return path


def seen(page) -> int:
    return page.locator(".claims tbody tr:visible").count()


def test_the_filter_shows_what_is_asked_for(browser, file):
    page = browser.new_page()
    page.goto(file.as_uri())
    status = page.get_by_role("status")
    assert seen(page) == 5 and status.inner_text() == "5 of 5 claims"
    page.get_by_label("Outcome", exact=True).select_option("not settled")
    assert (
        seen(page) == 1
        and status.inner_text() == "1 of 5 claims"
        and page.locator(".claims h3:visible").count() == 1
    )
    page.get_by_label("Model", exact=True).select_option("mini-sdxl")
    assert seen(page) == 0 and status.inner_text() == "0 of 5 claims"
    page.get_by_role("button", name="Show all").press("Enter")
    page.wait_for_function("document.querySelector('.count').textContent === '5 of 5 claims'")
    page.get_by_label("Page", exact=True).select_option("02b_five_models")
    assert seen(page) == 2
    page.close()


def test_without_scripts_all_is_there_and_there_is_no_filter(browser, file):
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(file.as_uri())
    assert seen(page) == 5 and page.locator("form:visible").count() == 0
    page.close()


@pytest.mark.parametrize("width", [320, 420, 700, 1280])
def test_nothing_of_a_claim_is_cut_at_any_width(browser, file, width):
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(file.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    cut = "[...document.querySelectorAll('tbody :is(td, th), .sum :is(th, .said)')].filter((one) => one.scrollWidth > one.clientWidth + 1 && one.clientWidth).map((one) => one.outerHTML)"
    assert page.evaluate(cut) == []
    assert page.get_by_role("row").count() >= 5 and page.get_by_role("rowheader").count() >= 5
    page.close()


@pytest.mark.slow
def test_the_site_shows_as_many_claims_as_its_data_holds(site):
    claims = json.loads((site / "claims.json").read_text())
    found = Rows((site / "ledger.html").read_text())
    assert len(claims) > 20 and found.rows == [
        (one["outcome"], one["model"], one["page"]) for one in claims
    ]
    assert found.links == [one["link"] for one in claims]
    wrong = []
    for one in claims:
        place, anchor = one["link"].split("#")
        wrong += [] if f'id="{anchor}"' in (site / place).read_text() else [one["link"]]
    assert wrong == [] and {one["page"] for one in claims} <= set(pages.PAGES)
