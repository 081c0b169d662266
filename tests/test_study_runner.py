"""Notebooks and pages: parameters are checked before work, papermill runs them, the rendered site is whole."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from locolib import UserError, claims
from locolib.experiments import page as experiments_page
from locolib.experiments import profiles
from locolib.experiments.deepfloyd.page import LimitsPage
from locolib.experiments.locogen import page as locogen_page
from locolib.experiments.locogen import report, report_by_model
from locolib.models import MODELS
from locolib.prompts import ATTRIBUTES, read
from locolib.store import Store, write_atomic
from locolib.study import book, pages, runner, shown

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted([*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("book/*.ipynb")])
SMOKE = {"prompts": 2, "seeds": 1, "steps": 1}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
class TestSource:
    def test_is_without_outputs_and_valid(self, path):
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        assert not any(
            cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells
        )

    def test_has_one_parameters_cell_of_at_most_8_commented_literals(self, path):
        cells = [
            c
            for c in nbformat.read(path, as_version=4).cells
            if "parameters" in c.metadata.get("tags", [])
        ]
        (cell,) = cells
        lines = cell.source.splitlines()
        assert len(lines) <= 8 and all("#" in line for line in lines)

    def test_cells_are_short(self, path):
        sizes = sorted(
            len([line for line in c.source.splitlines() if line.strip()])
            for c in nbformat.read(path, as_version=4).cells
            if c.cell_type == "code"
        )
        assert sizes[-1] <= 15 and sizes[len(sizes) // 2] <= 6

    def test_every_figure_has_a_caption_a_name_and_alt_text(self, path):
        for cell in nbformat.read(path, as_version=4).cells:
            shown = cell.metadata.get("mystnb", {})
            if "figure" in shown:
                assert (
                    shown["figure"]["caption"] and shown["figure"]["name"] and shown["image"]["alt"]
                )

    def test_opens_with_a_claim_and_its_section(self, path):
        first = nbformat.read(path, as_version=4).cells[0].source
        assert (
            first.startswith("# ")
            and "\n> " in first
            and ("Section" in first or "Appendix" in first)
        )


@pytest.mark.parametrize(
    "given, message",
    [
        ({"modle": "planted-sd-v1-5"}, "'modle'.*model, steps"),
        ({"model": "sd-v9"}, "sd-v9.*planted-sd-v1-5"),
        ({"seeds": "two"}, "'seeds'.*'two'"),
        ({"steps": -1}, "'steps'.*-1"),
        ({"method": "guess"}, "'method'.*guess"),
        ({"attribute": "colour"}, "style, object, fact, place"),
        ({"m": 17}, "from 1 to 16"),
        ({"m": -1}, "'m'"),
    ],
    ids=str,
)
def test_a_bad_notebook_parameter_is_one_sentence(given, message):
    with pytest.raises(UserError, match=message) as error:
        pages.parameters("02_locogen", given)
    assert len(str(error.value).splitlines()) == 1


def test_only_a_planted_model_has_a_known_answer():
    with pytest.raises(UserError, match="known right answer"):
        pages.parameters("07_planted_truth", {"model": "sd-v1-5"})


def test_only_a_bundled_model_has_a_card():
    with pytest.raises(UserError, match="miniatures' world"):
        pages.parameters("model", {"model": "sd-v1-5"})


@pytest.mark.parametrize(
    "page, given, message",
    [
        (
            "03_locoedit",
            {"style": "rembrandt"},
            "Unknown value 'rembrandt' of style; the prompts know van gogh",
        ),
        ("03b_five_models", {"fact": "no fact"}, "Unknown value 'no fact' of fact"),
        ("03_locoedit", {"tokens": "some"}, "'tokens'.*one of auto, subject"),
        ("07_planted_truth", {"model": "planted-split"}, "'model'.*style was planted in a window"),
        ("07c_by_artist", {"model": "planted-none"}, "'model'.*artists were planted"),
        ("world", {"seed": -1}, "'seed'"),
    ],
    ids=str,
)
def test_a_bad_parameter_of_any_page_is_one_sentence(page, given, message):
    with pytest.raises(UserError, match=message) as error:
        pages.parameters(page, given)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("page", pages.PAGES)
def test_a_page_that_makes_images_says_with_which_settings(page):
    """`make study` says what each page will cost before it begins."""
    asked = pages.parameters(page, {})
    assert asked.images() == 0 or asked.settings.steps > 0 and asked.about()


@pytest.mark.parametrize("page", pages.PAGES)
def test_a_notebook_asks_what_its_class_asks_by_default(page):
    """The `parameters` cell and the page's class say the same twice: for papermill, and for the checks."""
    notebook = nbformat.read(pages.HOME / pages.PAGES[page].source, as_version=4)
    said: dict = {}
    exec(
        next(c.source for c in notebook.cells if "parameters" in c.metadata.get("tags", [])), said
    )  # literals alone, as tested above
    assert pages.parameters(page, said) == pages.parameters(page, {})


def test_names_of_a_kernel_are_no_parameters():
    given = pages.parameters(
        "02_locogen",
        {"_i": "x", "In": [], "Out": {}, "json": json, "seeds": 3, "model": "planted-sd-v1-5"},
    )
    assert given.seeds == 3 and given.sizes() == {"style": 2, "object": 2, "fact": 2, "place": 3}


def test_the_bare_target_is_a_question_about_style_alone():
    given = pages.parameters("02_locogen", {"attribute": "bare style", "prompts": 2})
    assert list(given.sizes()) == ["style"] and given.request("style").bare_target


@pytest.mark.parametrize(
    "model, prompts, steps, method",
    [
        ("mini-sd-v1-5", 18, 6, "sweep"),
        ("mini-sdxl", 18, 6, "fast"),
        ("mini-deepfloyd", 18, 10, "fast"),
        ("planted-sd-v1-5", 18, 6, "sweep"),
    ],
)
def test_a_profile_asks_less_of_larger_models(model, prompts, steps, method):
    given = locogen_page.LocoGenPage(
        **locogen_page.LocoGenPage.values(profiles.profile("quick"), MODELS[model])
    )
    assert (given.prompts, given.settings.steps, given.method) == (prompts, steps, method)


def test_where_places_are_asked_about_planted_models_keep_their_steps():
    """With fewer their places are hardly drawn."""
    model = MODELS["planted-sd-v1-5"]
    given = locogen_page.PlantedPage(
        **locogen_page.PlantedPage.values(profiles.profile("quick"), model)
    )
    assert given.settings.steps == model.steps > 6


def test_pages_of_two_models_sample_each_as_its_own_page_does():
    quick = profiles.profile("quick")
    limits = LimitsPage(**LimitsPage.values(quick, MODELS["mini-deepfloyd"]))
    for name in limits.about():
        own = locogen_page.LocoGenPage.values(quick, MODELS[name])
        assert limits.settings_of(name) == locogen_page.LocoGenPage(**own).settings


def test_the_comparison_asks_for_the_very_images_of_the_models_pages():
    five, chosen = locogen_page.FivePage(profile="quick"), profiles.profile("quick")
    for name in experiments_page.MINIATURES:
        assert five.asked(name).request("style") == locogen_page.request(
            chosen, MODELS[name], read("style")
        )
    assert five.images() == 0


# --- which pages there are


def names(model: str | None) -> list[str]:
    return [run.name for run in pages.plan(profiles.profile("smoke"), model)]


def test_every_bundled_model_that_is_here_has_its_pages(here):
    here({"mini-sdxl", "planted-sd-v1-5"})
    assert names(None) == [
        "world",
        "model-mini-sdxl",
        "model-planted-sd-v1-5",
        "models",
        "01_causal_tracing-mini-sdxl",
        "02_locogen-mini-sdxl",
        "02b_five_models",
        "03_locoedit-planted-sd-v1-5",
        "03b_five_models",
        "07_planted_truth",
        "09_planted_benchmark",
        "rules",
        "ledger",
        "reproduction",
    ]
    assert (
        "mini-deepfloyd" in experiments_page.absent()
        and "mini-sdxl" not in experiments_page.absent()
    )


@pytest.mark.parametrize(
    "model, pages_of_it",
    [
        (
            "mini-sdxl",
            [
                "model-mini-sdxl",
                "01_causal_tracing-mini-sdxl",
                "02_locogen-mini-sdxl",
                "03_locoedit-mini-sdxl",
                "ledger",
                "reproduction",
            ],
        ),
        (
            "planted-sd-v1-5",
            [
                "model-planted-sd-v1-5",
                "01_causal_tracing-planted-sd-v1-5",
                "02_locogen-planted-sd-v1-5",
                "03_locoedit-planted-sd-v1-5",
                "07_planted_truth",
                "rules",
                "ledger",
                "reproduction",
            ],
        ),
        (
            "sd-v1-5",
            [
                "01_causal_tracing-sd-v1-5",
                "02_locogen-sd-v1-5",
                "03_locoedit-sd-v1-5",
                "04_neuron_editing-sd-v1-5",
                "06_human_study-sd-v1-5",
                "ledger",
                "reproduction",
            ],
        ),
    ],
    ids=str,
)
def test_one_model_alone_has_its_own_pages(here, model, pages_of_it):
    here({"mini-sdxl", "planted-sd-v1-5"})
    assert names(model) == pages_of_it


def test_pages_run_side_by_side_but_not_before_those_that_they_read(monkeypatch):
    monkeypatch.setattr(runner, "workers", lambda: 3)
    planned = [
        pages.Run(page=page, values={}, model=model)
        for page, model in (
            ("02_locogen", "a"),
            ("02_locogen", "b"),
            ("02b_five_models", ""),
            ("03_locoedit", ""),
            ("07_planted_truth", ""),
            ("ledger", ""),
        )
    ]
    began, ended, told = [], [], []

    def finish(run):
        began.append((run.name, tuple(ended)))
        ended.append(run.name)

    runner._in_turn(
        planned, lambda run: run.name != "03_locoedit", finish, lambda run: told.append(run.name)
    )
    before = dict(began)
    assert set(before) == set(told) == {run.name for run in planned} - {"03_locoedit"}
    assert {"02_locogen-a", "02_locogen-b"} <= set(before["02b_five_models"])
    assert began[-1][0] == "ledger"


def test_a_failed_page_stops_those_that_have_not_begun(monkeypatch):
    monkeypatch.setattr(runner, "workers", lambda: 1)
    planned, done = (
        [pages.Run(page=page, values={}) for page in ("world", "models", "03_locoedit")],
        [],
    )

    def finish(run):
        done.append(run.page)
        if run.page == "models":
            raise UserError("broken")

    with pytest.raises(UserError, match="broken"):
        runner._in_turn(planned, lambda run: True, finish, lambda run: None)
    assert done == ["world", "models"]


@pytest.fixture
def again(monkeypatch, tmp_path):
    """``again()`` is `make study` of two pages that do nothing but keep claims, of one model and of two: the pages that it runs."""
    planned = [
        pages.Run(page="01_causal_tracing", values={}, model="mini-sdxl"),
        pages.Run(page="07b_no_window", values={}),
    ]
    ran, store = [], Store(tmp_path / "store")

    def execute(run, root):
        ran.append(run.name)
        for model in (run.model,) if run.model else ("planted-none", "planted-split"):
            claims.keep(
                store,
                run.page,
                model,
                [claims.Claim(text="a", section="5", number="1", outcome="held")],
            )
        write_atomic(shown.executed(run, root), b"{}")

    for name, instead in {
        "plan": lambda *a: planned,
        "_execute": execute,
        "_weights": str,
        "announce": lambda *a: {},
        "_kernel": lambda *a: None,
        "_read_by_pages": list,
    }.items():
        monkeypatch.setattr(runner, name, instead)
    monkeypatch.setenv("LOCOLIB_STORE", str(store.root))

    def once() -> list[str]:
        ran.clear()
        runner.run_notebooks(profiles.profile("smoke"), None, tmp_path)
        return sorted(ran)

    return once


BOTH = ["01_causal_tracing-mini-sdxl", "07b_no_window"]


@pytest.mark.parametrize(
    "place, found",
    [
        ("book/notebooks/07b_no_window.ipynb", BOTH[1:]),
        ("book/notebooks/01_causal_tracing-mini-sdxl.ipynb", BOTH[:1]),
        ("store/claims/07b_no_window-planted-split.json", BOTH[1:]),
        ("store/claims/01_causal_tracing-mini-sdxl.json", BOTH[:1]),
        ("pages.json", BOTH),
    ],
    ids=str,
)
def test_a_page_whose_work_is_damaged_is_run_again(again, tmp_path, place, found):
    assert again() == BOTH and again() == []
    whole = (tmp_path / place).read_bytes()
    for data in (None, b"[1]", whole[:-1], whole.replace(b"1", b"2")):
        (tmp_path / place).unlink()
        if data is not None:
            (tmp_path / place).write_bytes(data)
        assert again() == found or data == whole, data
        assert again() == []


@pytest.mark.parametrize("data", [b"", b"{", b"null", b"[1]", b"\xff", b"[" * 100_000], ids=len)
def test_damaged_marks_of_pages_are_none(tmp_path, data):
    (tmp_path / "pages.json").write_bytes(data)
    assert runner.marks(tmp_path / "pages.json") == runner.marks(tmp_path) == {}


def test_claims_that_belong_to_no_page_any_more_stop_nothing(again, tmp_path):
    again()
    (tmp_path / "store" / "claims" / "07b_no_window-other.json").write_text("{}")
    assert again() == BOTH[1:] and again() == []


@pytest.fixture
def here(monkeypatch):
    """``here({"a", "b"})``: only these models can be loaded without the network."""
    return lambda found: monkeypatch.setattr(
        experiments_page, "is_here", lambda spec: spec.name in found
    )


def notebook(*sources: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell(source) for source in sources]
    )


def test_a_models_own_copy_is_named_after_it():
    made = notebook(
        "# Which layers?\n\n> claim",
        "```{exercise}\n:label: predict-curve\n```",
        "````{solution} predict-curve\n:class: dropdown\n````",
    )
    made.cells.append(
        nbformat.v4.new_code_cell("x", metadata={"mystnb": {"figure": {"name": "fig-a"}}})
    )
    book.tidy(made, {}, {}, "mini-sdxl")
    assert made.cells[0].source.startswith("# SDXL (miniature): which layers?\n")
    assert made.cells[1].source.splitlines()[1] == ":label: predict-curve-mini-sdxl"
    assert made.cells[2].source.splitlines()[0] == "````{solution} predict-curve-mini-sdxl"
    assert made.cells[3].metadata["mystnb"]["figure"]["name"] == "fig-a-mini-sdxl"


def test_no_two_pages_of_a_published_model_share_a_label():
    """Each is the model's copy, so their labels end alike: what is told apart by the end in other books is one label here."""
    found = []
    for run in pages.plan(runner.profile("smoke"), "deepfloyd-if"):
        made = nbformat.read(pages.HOME / pages.PAGES[run.page].source, as_version=4)
        for cell in made.cells:
            found += re.findall(r"^:label: (\S+)", cell.source, flags=re.M)
            found += [cell.metadata.get("mystnb", {}).get("figure", {}).get("name")]
    found = [label for label in found if label]
    assert len(found) > 20 and len(found) == len(set(found))


def test_the_contents_list_the_copies_that_there_are(tmp_path):
    folder = tmp_path / "book" / "notebooks"
    folder.mkdir(parents=True)
    for name in ("02_locogen-sd-v1-5", "02_locogen-mini-sdxl"):
        (folder / f"{name}.ipynb").write_text("{}")
    made = shown.Shown(root=tmp_path).contents((ROOT / "book" / "_toc.yml").read_text())
    assert (
        made.index("02_locogen-mini-sdxl") < made.index("02_locogen-sd-v1-5")
        and "file: model-" not in made
        and "02_locogen\n" not in made
    )


def test_a_page_that_was_not_run_says_so_and_what_is_quoted_of_it_too():
    made = shown.stub("07_planted_truth")
    assert "has not been run" in made.cells[0].source
    glued = {cell.outputs[0].metadata["scrapbook"]["name"] for cell in made.cells[1:]}
    assert {"close", "hits"} <= glued


# --- what the pages say


def row(model: str, attribute: str, verdict: str, found: str) -> dict:
    spec = MODELS[model]
    words = ("share", "lead", "target picked", "all layers, points", "plain rule", "held out")
    more = ("images", "about", "sizes searched", "smallest m", "its share", "overlap", "by chance")
    made = dict.fromkeys((*words, *more), "1") | {
        "attribute": attribute,
        report.whose(spec): report.known(spec, attribute),
        "found": found,
        "verdict": verdict,
        "tie": False,
        "outcome": "not settled",
    }
    return made if report.comparable(made) else made | {"outcome": "nothing to compare with"}


def test_every_model_and_attribute_has_a_claim_and_a_verdict_in_words():
    for name, spec in MODELS.items():
        for attribute in ATTRIBUTES:
            assert report.claim(spec, attribute).endswith((".", "alone."))
            for verdict in ("localised", "not localised", "inconclusive", "no effect"):
                made = row(name, attribute, verdict, "8-9")
                assert report.answer(made).startswith(
                    f"**{attribute}** (1): "
                ) and "None" not in report.answer(made)


def test_agreements_and_disagreements_are_said_in_plain_words():
    made = [
        row("mini-sd-v1-5", "style", "localised", "9-10")
        | {"model": "A", "its share": "0.40", "outcome": "did not hold"},
        row("mini-sd-v1-5", "object", "localised", "6-7") | {"model": "A", "outcome": "held"},
    ]
    said = report_by_model.comparison(made)
    assert "Of the 2 places" in said and "1 held" in said and "1 did not hold" in said
    assert "A, style" in said and "**did not hold**" in said and "a share of 0.40" in said


def test_papermill_alone_runs_the_locogen_notebook(organisms, tmp_path):
    """What a user does who knows nothing of us: papermill with other parameters, and with the paths that it can add to them."""
    out = tmp_path / "out.ipynb"
    command = [
        sys.executable,
        "-m",
        "papermill",
        "--inject-paths",
        str(ROOT / "notebooks/02_locogen.ipynb"),
        str(out),
        "-p",
        "model",
        "planted-sd-v1-5",
        "-p",
        "attribute",
        "fact",
        "-p",
        "m",
        "1",
        *(word for name, value in SMOKE.items() for word in ("-p", name, str(value))),
    ]
    environment = os.environ | {
        "LOCOLIB_ORGANISMS": str(organisms),
        "LOCOLIB_STORE": str(tmp_path / "store"),
    }
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    text = out.read_text()
    assert "image/png" in text and "weights" in text


@pytest.mark.slow
def test_the_whole_study_renders_without_a_warning_and_again_at_once(site, smoke):
    assert "none to run" in smoke()
    assert {
        "intro.html",
        "world.html",
        "models.html",
        "model-mini-sdxl.html",
        "glossary.html",
        "rerun.html",
    } <= {p.name for p in site.glob("*.html")}
    assert (
        "has not been run" in (site / "notebooks" / "07b_no_window.html").read_text()
    )  # its models are not among the random ones
    for name in ("mini-sdxl", "mini-deepfloyd"):
        page = (site / "notebooks" / f"02_locogen-{name}.html").read_text()
        assert MODELS[name].title in page and "injected" not in page
        assert (
            page.count('<section class="loco-scrubber"') == 4
            and "loco-scrubber:not([data-ready])" in page
        )
