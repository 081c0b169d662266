"""The scrubber in a real browser: keys and touch move it, several live on one page, and a few images show without scripts."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from locolib import UserError
from locolib.figures import LARGE, data_uri, scrubber

WINDOWS = [f"{i}-{i + 1}" for i in range(15)]
SHARES = {label: i / 14 for i, label in enumerate(WINDOWS)}


def flat(value: int, size: int = 64) -> np.ndarray:
    return np.full((size, size, 3), value, dtype=np.uint8)


def strip(prompt: str, first: int = 0) -> tuple:
    """A prompt whose images are grey: clean `first`, windows one lighter each, all layers 200."""
    return prompt, [
        ("clean", flat(first)),
        *((label, flat(first + 1 + i)) for i, label in enumerate(WINDOWS)),
        ("all", flat(200)),
    ]


def made(*prompts: str, **options) -> str:
    return scrubber(
        [strip(prompt, 20 * i) for i, prompt in enumerate(prompts)], **{"title": "Style"} | options
    ).data


@pytest.fixture
def page_of(browser, tmp_path):
    """``page_of(html, ...)``: these pieces on one page, opened from the file system."""

    def opened(*pieces: str, scripts: bool = True, width: int = 800):
        file = Path(tmp_path / "page.html")
        file.write_text(
            f"<!doctype html><html lang=en><meta charset=utf-8><title>t</title><body>{''.join(pieces)}",
            encoding="utf-8",
        )
        page = browser.new_context(
            java_script_enabled=scripts, viewport={"width": width, "height": 700}
        ).new_page()
        page.wrong = []  # errors of scripts, and whatever was asked of the network
        page.on("pageerror", lambda error: page.wrong.append(str(error)))
        page.on(
            "request",
            lambda asked: page.wrong.append(asked.url) if asked.url.startswith("http") else None,
        )
        page.goto(file.as_uri())
        return page

    return opened


def grey(image) -> int:
    """The colour of a flat picture that an <img> shows."""
    data = image.get_attribute("src").partition("base64,")[2]
    return int(np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))[0, 0, 0])


class TestKeys:
    def test_arrows_change_the_image_and_what_is_said(self, page_of):
        page = page_of(made("a dog", marked=[["8-9"]], shares=[SHARES]))
        slider, moved, now = (
            page.get_by_role("slider"),
            page.locator(".moved img"),
            page.locator(".now"),
        )
        assert (
            grey(moved) == 1
            and now.inner_text() == "layers 0-1; share of the effect of all layers: 0.00"
        )
        slider.focus()
        for _ in range(8):
            page.keyboard.press("ArrowRight")
        said = "layers 8-9; share of the effect of all layers: 0.57; the known location"
        assert grey(moved) == 9 and now.inner_text() == said == slider.get_attribute(
            "aria-valuetext"
        )
        assert moved.get_attribute("alt") == 'Image for the prompt "a dog": layers 8-9'
        page.keyboard.press("End")
        assert grey(moved) == 15 and now.inner_text().startswith("layers 14-15")
        assert (grey(page.locator(".first img")), grey(page.locator(".last img"))) == (0, 200)
        assert page.wrong == []

    def test_the_slider_has_a_name_and_shows_its_focus(self, page_of):
        page = page_of(made("a dog"))
        page.keyboard.press("Tab")
        slider = page.get_by_role("slider", name="Slide over the layers")
        assert (
            slider.evaluate("e => e === document.activeElement && getComputedStyle(e).outlineStyle")
            == "solid"
        )

    def test_the_current_point_of_the_curve_is_the_one_set_off(self, page_of):
        page = page_of(made("a dog", marked=[["8-9"]], shares=[SHARES | {"3-4": float("nan")}]))
        page.get_by_role("slider").fill("14")
        points = page.locator("svg circle")
        assert (
            points.count() == 14 and page.locator('svg circle[r="6"]').get_attribute("cx") == "100%"
        )
        page.get_by_role("slider").fill("3")
        assert (
            page.locator(".now").inner_text().endswith("not defined")
            and page.locator('svg circle[r="6"]').count() == 0
        )


def test_another_prompt_keeps_the_window(page_of):
    page = page_of(made("a dog", "a cat"))
    page.get_by_role("slider").fill("3")
    page.get_by_label("Prompt").select_option("a cat")
    assert grey(page.locator(".moved img")) == 24 and grey(page.locator(".first img")) == 20


def test_two_on_one_page_are_independent(page_of):
    page = page_of(made("a dog"), made("a dog", title="Objects", unit=""))
    one, two = page.get_by_role("slider").all()
    two.fill("5")
    assert [grey(image) for image in page.locator(".moved img").all()] == [1, 6]
    one.fill("2")
    assert page.locator(".now").all_inner_texts() == ["layers 2-3", "5-6"]
    assert page.locator("[id]").count() == 0, "what has no id cannot clash"


def test_without_a_last_image_every_image_but_the_first_is_a_step(page_of):
    page = page_of(made("a dog", last=""))
    page.get_by_role("slider").fill("15")
    assert (
        grey(page.locator(".moved img")) == 200
        and page.locator(".now").inner_text() == "all"
        and page.locator(".last").is_hidden()
    )


def test_without_scripts_a_few_images_stand_there(page_of):
    page = page_of(made("a dog", marked=[["8-9"]]), scripts=False)
    shown = page.locator(".still .picture")
    assert [text.strip() for text in shown.all_inner_texts()] == [
        "nothing altered",
        "layers 0-1",
        "layers 5-6",
        "layers 8-9",
        "layers 9-10",
        "layers 14-15",
        "all layers altered",
    ]
    assert shown.first.is_visible() and page.get_by_role("slider").count() == 0


def test_with_scripts_the_still_images_are_gone(page_of):
    assert page_of(made("a dog")).locator(".still").is_hidden()


def test_what_is_said_is_text_and_no_markup(page_of):
    rude = '"quoted" </script><script>window.rude = 1</script><!-- & {{data}} <b>'
    page = page_of(made(rude, rude, title=rude, alt=rude, marked=[["8-9"]] * 2))
    assert page.evaluate("window.rude") is None and page.wrong == []
    assert (
        page.locator(".title").inner_text() == rude
        and page.locator("option").first.inner_text() == rude
    )
    assert page.get_by_role("region", name=re.compile("quoted")).get_attribute("aria-label") == rude
    assert page_of(made(rude, title=rude), scripts=False).locator(".still p").inner_text() == rude


def test_it_fits_a_phone_and_keeps_a_white_ground(page_of):
    page = page_of(
        "<style>body { background: #222; color: #eee; margin: 8px }</style>",
        made("a dog" * 30, shares=[SHARES]),
        width=320,
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert (
        page.locator(".loco-scrubber").evaluate("e => getComputedStyle(e).backgroundColor")
        == "rgb(255, 255, 255)"
    )


# --- what needs no browser


def test_no_picture_is_in_the_page_twice():
    """Neither those that show without scripts, nor one that two prompts or two windows have in common."""
    text = made("a", "b", marked=[["8-9"], []])
    found = re.findall(r"data:image/webp;base64,[A-Za-z0-9+/=]+", text)
    assert len(found) == len(set(found)) > 20 and "image/png" not in text


def test_small_images_are_kept_exactly_and_large_ones_shrunk():
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    kind, _, data = data_uri(noise).partition(";base64,")
    assert (
        kind == "data:image/webp"
        and (np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) == noise).all()
    )
    kind, _, data = data_uri(flat(7, 512)).partition(";base64,")
    assert kind == "data:image/webp" and Image.open(io.BytesIO(base64.b64decode(data))).size == (
        LARGE,
        LARGE,
    )


@pytest.mark.parametrize(
    "frames, options, message",
    [
        ([], {}, "here are 0, 0 and 0"),
        ([strip("a")], {"marked": [[], []]}, "here are 1, 2 and 1"),
        ([("a", strip("a")[1][:2])], {}, "'a' there are 2 images"),
        (
            [("a", [(label, image / 255) for label, image in strip("a")[1]])],
            {},
            "uint8.*not float64",
        ),
    ],
    ids=["none", "marks", "short", "float"],
)
def test_what_cannot_be_shown_is_one_sentence(frames, options, message):
    with pytest.raises(UserError, match=message) as error:
        scrubber(frames, title="Style", **options)
    assert len(str(error.value).splitlines()) == 1
