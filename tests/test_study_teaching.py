"""The teacher's page: plans without gaps, answers behind folds, a worksheet of two pages, slides that need no network."""

import base64
import io
import re
from pathlib import Path

import nbformat
import pytest
from PIL import Image

from locolib import UserError
from locolib.study import slides

ROOT = Path(__file__).resolve().parents[1]
TEACH = (ROOT / "book" / "teach.md").read_text(encoding="utf-8")
WORKSHEET = ROOT / "book" / "_static" / "worksheet.html"


def table(heading: str) -> list[list[str]]:
    """The rows of the first table below a heading, without its head."""
    below = TEACH[TEACH.index(heading) :]
    lines = re.search(r"(?:^\|.*\n)+", below, flags=re.M)[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize(
    "heading", ["## The lesson that students write", "## The lesson that students read"]
)
def test_a_plan_has_ninety_minutes_and_no_gap(heading):
    ends = [
        tuple(map(int, re.match(r"(\d+) to (\d+)$", row[0]).groups())) for row in table(heading)
    ]
    assert ends[0][0] == 0 and ends[-1][1] == 90
    assert [end for _, end in ends[:-1]] == [start for start, _ in ends[1:]]


def test_the_plan_and_the_mistakes_have_every_step():
    steps = []
    for row in table("## The lesson that students write"):
        first, _, last = row[-1].replace(", ", " to ").partition(" to ")
        steps += range(int(first), int(last or first) + 1) if first else []
    assert steps == list(range(1, 11))
    assert [int(row[0]) for row in table("### What goes wrong")] == list(range(1, 11))


@pytest.mark.parametrize("heading", ["## Homework", "## Exam questions"])
def test_every_question_has_an_answer_behind_a_fold(heading):
    part = re.split(r"^## ", TEACH[TEACH.index(heading) + 3 :], flags=re.M)[0]
    questions = re.findall(r"^(\d+)\. ", part, flags=re.M)
    assert questions == [str(i + 1) for i in range(len(questions))] and len(questions) >= 5
    pieces = re.split(r"^\d+\. ", part, flags=re.M)[1:]
    assert all(
        re.search(r"^````\{dropdown\} .+\n.+\n(.+\n)*````$", piece, flags=re.M) for piece in pieces
    )


# --- in a browser


def pages(pdf: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


@pytest.mark.parametrize("size", ["A4", "Letter"])
def test_the_worksheet_prints_on_two_pages(browser, size):
    page = browser.new_page()
    page.goto(WORKSHEET.as_uri())
    assert pages(page.pdf(format=size, prefer_css_page_size=False)) == 2
    page.close()


@pytest.mark.parametrize("width", [420, 1280])
def test_the_worksheet_scrolls_down_alone_and_asks_for_nothing(browser, width):
    page = browser.new_page(viewport={"width": width, "height": 800})
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(WORKSHEET.as_uri())
    assert asked == [WORKSHEET.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


@pytest.fixture
def executed(tmp_path) -> Path:
    """A build folder with two executed pages, one of a model's own, each with a figure."""
    file = io.BytesIO()
    Image.new("RGB", (600, 1200), "red").save(file, "png")
    for name, figure in (
        ("07_planted_truth", "fig-images"),
        ("03_locoedit-planted-sd-v1-5", "fig-edits-planted-sd-v1-5"),
    ):
        cell = nbformat.v4.new_code_cell("draw()")
        data = {"image/png": base64.b64encode(file.getvalue()).decode()}
        cell.outputs = [nbformat.v4.new_output("display_data", data)]
        told = {
            "figure": {"name": figure, "caption": "A caption, 5 < 6."},
            "image": {"alt": 'A "red" picture'},
        }
        cell.metadata = nbformat.from_dict({"mystnb": told})
        path = tmp_path / "book" / "notebooks" / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    return tmp_path


def test_slides_show_the_figures_that_there_are_and_ask_for_nothing(browser, executed):
    made = slides.write(executed)
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    asked, wrong = [], []
    page.on("request", lambda request: asked.append(request.url.partition(":")[0]))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(made.as_uri())
    page.wait_for_function("window.Reveal && Reveal.isReady()")
    assert set(asked) <= {"file", "data"} and not wrong
    assert page.evaluate("Reveal.getTotalSlides()") == 4  # two of words, two with figures
    page.evaluate("Reveal.slide(1)")
    image = page.locator("section.present img")
    assert image.get_attribute("alt") == 'A "red" picture'
    assert (
        page.locator("section.present .fragment.visible").count() == 0
    )  # the question stands alone
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("section.present .fragment.visible img")
    box = image.bounding_box()
    assert box["height"] <= 800 and box["y"] >= 0 and box["y"] + box["height"] <= 800
    assert "5 < 6" in page.locator("section.present figcaption").inner_text()
    page.close()


def test_slides_name_figures_that_there_are():
    for slide in slides.SLIDES:
        if slide.page:
            name = slide.page.partition("-")[0]
            text = (ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8")
            assert f'"name": "{slide.figure}"' in text


def test_slides_of_pages_that_were_not_run_are_one_sentence(tmp_path):
    with pytest.raises(UserError, match="make study") as error:
        slides.write(tmp_path)
    assert len(str(error.value).splitlines()) == 1


def test_what_the_slides_are_shown_by_is_here_with_its_licence():
    folder = slides.TEMPLATES / "slides"
    names = {path.name for path in folder.iterdir()}
    assert {"reveal.js", "reveal.css", "REVEAL-LICENSE", "README.md"} <= names
    text = (folder / "README.md").read_text(encoding="utf-8")
    from hashlib import sha256

    for name in ("reveal.js", "reveal.css"):
        assert sha256((folder / name).read_bytes()).hexdigest() in text
