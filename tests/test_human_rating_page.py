"""The rating page in a real browser, opened from the file system: rated by keyboard, left, taken up again, saved, and checked."""

from itertools import pairwise

import numpy as np
import pytest

from locolib.experiments import human

ITEMS = human.read()[3:6]  # a fact, an object, a style


@pytest.fixture(scope="module")
def pairs():
    return human.plan(["mini-sd-v1-5"], items=ITEMS, seeds=1, placebos=1)


@pytest.fixture
def file(pairs, tmp_path):
    images = {
        pair.pair: (np.full((8, 8, 3), 10 * i, np.uint8), np.full((8, 8, 3), 10 * i + 5, np.uint8))
        for i, pair in enumerate(pairs)
    }
    return human.write_page(pairs, images, tmp_path / "rating.html")


@pytest.fixture
def opened(browser, file):
    """``opened(...)``: the page in a window of its own; requests for anything but the file itself are kept in `page.asked`."""
    contexts = []

    def open_page(**options):
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.asked, page.errors = [], []
        page.on(
            "request",
            lambda request: (
                page.asked.append(request.url)
                if not request.url.startswith(("data:", "blob:"))
                else None
            ),
        )
        page.on("pageerror", lambda error: page.errors.append(error))
        page.goto(file.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()


def start(page, name="Ann B"):
    page.get_by_label("Your name").fill(name)
    page.keyboard.press("Enter")


def question(page) -> str:
    return page.locator("#question").inner_text()


def saved(page, path):
    with page.expect_download() as download:
        page.get_by_role("button", name="Save").click()
    download.value.save_as(path)
    return path


def test_rate_by_keyboard_reload_go_on_and_save_what_the_checker_accepts(
    opened, pairs, file, tmp_path
):
    page = opened()
    start(page)
    asked = {pair.pair: pair.question for pair in pairs}
    order = human.order(pairs, "Ann B")
    assert (
        page.get_by_role("heading", name="Pair 1 of 4").is_visible()
        and question(page) == asked[order[0]]
    )
    page.keyboard.press("4")
    page.keyboard.press("ArrowRight")
    assert question(page) == asked[order[1]]
    page.keyboard.press("2")
    page.keyboard.press("3")  # thought better of it
    page.keyboard.press("ArrowRight")
    page.reload()
    assert (
        page.get_by_role("heading", name="Pair 3 of 4").is_visible()
        and "2 of 4 rated" in page.locator("#done").inner_text()
    )
    assert "Welcome back, Ann B" in page.get_by_role("status").inner_text()
    part = human.problems(saved(page, tmp_path / "part.csv"), pairs)
    assert len(part) == 2 and all("without pair" in problem for problem in part)
    page.keyboard.press("1")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("5")
    assert "All are rated" in page.locator("#done").inner_text()
    found = human.check(
        saved(page, tmp_path / "all.csv"),
        human.read_plan(file.with_suffix(".plan.csv")),
        rater="Ann B",
    )
    assert dict(zip(found.pair, found.rating)) == dict(zip(order, (4, 3, 1, 5)))
    assert (
        found.pair.tolist() == order
        and found.question.tolist() == [asked[name] for name in order]
        and (found.seconds >= 0).all()
    )
    assert page.asked == [file.as_uri()] * 2 and page.errors == []


def test_a_name_with_a_comma_and_quotes_survives(opened, pairs, tmp_path):
    page = opened()
    start(page, '  van "D", É ')
    for _ in pairs:
        page.keyboard.press("2")
        page.keyboard.press("ArrowRight")
    assert set(human.check(saved(page, tmp_path / "a.csv"), pairs).rater) == {'van "D", É'}
    assert (
        page.locator("#question").inner_text()
        == {p.pair: p.question for p in pairs}[human.order(pairs, 'van "D", É')[-1]]
    )


def test_two_raters_at_one_browser_do_not_mix(opened):
    page = opened()
    start(page, "Ann")
    page.keyboard.press("5")
    page.get_by_role("button", name="Another rater").click()
    start(page, "Bob")
    assert "0 of 4 rated" in page.locator("#done").inner_text()
    page.get_by_role("button", name="Another rater").click()
    start(page, "Ann")
    assert "1 of 4 rated" in page.locator("#done").inner_text()


def test_buttons_do_what_keys_do(opened):
    page = opened()
    start(page)
    page.get_by_role("button", name="3", exact=True).click()
    assert page.get_by_role("button", name="3", exact=True).get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="Next", exact=True).click()
    assert page.locator('[aria-pressed="true"]').count() == 0
    page.get_by_role("button", name="Back").click()
    assert page.locator('[aria-pressed="true"]').inner_text() == "3"
    page.get_by_role("button", name="Next unrated pair").click()
    assert page.get_by_role("heading", name="Pair 2 of 4").is_visible()


def test_no_name_no_start(opened):
    page = opened()
    start(page, "   ")
    assert (
        page.get_by_role("alert").inner_text() == "Please give a name first."
        and page.locator("#rating").is_hidden()
    )


def test_the_scale_has_the_papers_words(opened, pairs):
    page = opened()
    start(page)
    for pair in map({p.pair: p for p in pairs}.get, human.order(pairs, "Ann B")):
        _, low, high = human.QUESTIONS[pair.attribute]
        assert (
            page.locator("#low").inner_text() == f"1 – {low}"
            and page.locator("#high").inner_text() == f"5 – {high}"
        )
        page.keyboard.press("ArrowRight")


def test_on_a_phone_everything_fits_and_can_be_touched(opened):
    page = opened(viewport={"width": 360, "height": 740}, has_touch=True)
    start(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    boxes = [button.bounding_box() for button in page.locator("#scale button").all()]
    assert all(box["height"] >= 44 and box["width"] >= 44 for box in boxes) and all(
        a["y"] == b["y"] for a, b in pairwise(boxes)
    )
    left, right = (page.locator(f"#{side}").bounding_box() for side in ("left", "right"))
    assert left["y"] == right["y"] and left["x"] < right["x"]
    page.get_by_role("button", name="2", exact=True).tap()
    assert "1 of 4 rated" in page.locator("#done").inner_text()


def test_without_scripts_it_says_what_to_do(opened):
    assert "needs JavaScript" in opened(java_script_enabled=False).locator("body").inner_text()


@pytest.mark.parametrize(
    "scheme, ground", [("light", "rgb(255, 255, 255)"), ("dark", "rgb(22, 24, 27)")]
)
def test_dark_mode(opened, scheme, ground):
    page = opened(color_scheme=scheme)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == ground
