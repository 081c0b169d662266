"""The live page in a real browser: the same pictures as the library, the same scores, usable by all, and what it says."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from locolib import models
from locolib.drawing.memory import Altered, Dropped, Row
from locolib.drawing.sampling import Settings, generate
from locolib.experiments.editing import applied
from locolib.experiments.editing import edit as made_edit
from locolib.figures import scrubber
from locolib.models import load_scorer
from locolib.prompts import read
from locolib.scores import clip_score
from locolib.store import Store
from locolib.study.live import changes, export, placing

BOOK = Path(__file__).resolve().parents[1] / "book"
LABELS = (
    ("clean", 200),
    ("0-1", 190),
    ("8-9", 90),
    ("all", 80),
)  # of stored pictures, and their grey
LEVELS = 2  # of 255: the largest mean difference of a picture
RUN = """async () => (await axe.run(document, { resultTypes: ["violations"] })).violations
  .map((found) => `${found.id} (${found.impact}): ` + found.nodes.map((node) => `${node.target.join(" ")} ${node.failureSummary}`).join(" | "))"""
DRAW = """async ({ model, rows, settings, texts }) => {
  const { ask } = await import("./_static/live/client.js"), made = [];
  await ask({ kind: "draw", model, rows, settings, texts, preview: false },
    (data) => { if (data.kind === "picture") made[data.number] = { picture: [...data.picture], scores: data.scores }; }).finished;
  return made;
}"""


def block(document: str) -> str:
    """The place of the live page in a document of the book, as it stands there."""
    text = (BOOK / document).read_text(encoding="utf-8")
    return re.search(r"<link[^>]*live\.css.*?</script>", text, flags=re.S)[0]


def page_of(document: str, theme: str) -> str:
    """That place on a page of its own, in the theme's colours."""
    dark = (
        "background:#14181e;color:#ced6dd" if theme == "dark" else "background:#fff;color:#1a1a1a"
    )
    base = "#14181e" if theme == "dark" else "#fff"
    ink = "#ced6dd" if theme == "dark" else "#1a1a1a"
    surface = "#29313d" if theme == "dark" else "#f5f5f5"
    return (
        f'<!doctype html><html lang="en" data-theme="{theme}"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Live</title><style>:root{{--pst-color-text-base:{ink};--pst-color-background:{base};--pst-color-surface:{surface}}}"
        f"body{{font-family:sans-serif;margin:16px;{dark}}} a{{color:inherit}}</style><body><main><h1>Ask it yourself</h1>{block(document)}</main>"
    )


@pytest.fixture(scope="session")
def exported(tmp_path_factory) -> Path:
    """The bundled models' export: that of `make live`, where it is of these weights and this code, else a new one (minutes)."""
    there = BOOK.parent / "build" / "live"
    manifest = there / export.MANIFEST
    if manifest.exists() and json.loads(manifest.read_text())["key"] == export.key(export.MODELS):
        return there
    folder = tmp_path_factory.mktemp("live") / "models"
    export.made(folder, store=Store(folder.parent / "store"))
    return folder


@pytest.fixture(scope="module")
def address(exported, served, tmp_path_factory) -> str:
    """A site that has nothing but the live page and the front page's instance."""
    site = tmp_path_factory.mktemp("site")
    assert placing.place(exported, site)
    for document in ("live.md", "intro.md"):
        for theme in ("light", "dark"):
            name = f"{document.removesuffix('.md')}-{theme}.html"
            (site / name).write_text(page_of(document, theme), encoding="utf-8")
    return served(site)


@pytest.fixture(scope="module")
def opened(browser, address):
    """``opened("live-light.html")``: a page, whose errors and foreign requests are kept in `page.wrong`."""

    def go(name: str, width: int = 1280, **options):
        page = browser.new_context(viewport={"width": width, "height": 900}, **options).new_page()
        page.wrong = []
        page.on("pageerror", lambda error: page.wrong.append(str(error)))
        page.on(
            "request",
            lambda asked: (
                page.wrong.append(asked.url)
                if not asked.url.startswith((address, "blob:"))
                else None
            ),
        )
        page.goto(f"{address}/{name}")
        page.locator(".loco-live[data-ready=true]").wait_for(state="attached")
        return page

    return go


# --- the same pictures

STYLE, OBJECT, PLACE = (read(attribute)[0] for attribute in ("style", "object", "place"))
FACT = next(prompt for prompt in read("fact") if prompt.original == "british monarch")


def alterations() -> list[tuple[str, tuple[int, ...], int]]:
    """Which prompt, which layers altered, which seed: clean pictures, windows, single layers, all."""
    plan = [
        (STYLE, ()),
        (STYLE, (8, 9)),
        (STYLE, (3, 4)),
        (OBJECT, ()),
        (OBJECT, (6, 7)),
        (FACT, ()),
        (FACT, (6, 7)),
        (PLACE, (10, 11, 12)),
        (STYLE, tuple(range(16))),
    ]
    return [(prompt, layers, 1000 + 1000 * i) for i, (prompt, layers) in enumerate(plan)]


def compare(images: np.ndarray, drawn: list[dict], texts: list[str]) -> None:
    """Pictures and scores of the browser against the library's."""
    scorer = load_scorer("scorer")
    expected = clip_score(scorer.images(images)[:, None], scorer.texts(texts)[None])
    for image, one, own in zip(images, drawn, expected, strict=True):
        picture = np.array(one["picture"], dtype=float).reshape(64, 64, 4)[..., :3]
        assert np.abs(picture - image).mean() <= LEVELS
        assert np.argmax(one["scores"]) == own.argmax() and np.abs(one["scores"] - own).max() < 2


@pytest.mark.slow
@pytest.mark.parametrize("name", export.MODELS)
def test_the_browser_draws_what_the_library_draws(opened, name):
    """Nine pictures of each model with the same noise: the mean difference is at most 2 of 255 levels, the scorer says the same."""
    model = models.load(name, device="cpu", dtype="float32")
    settings = Settings(steps=model.spec.steps, guidance=model.spec.guidance)
    plan = alterations()
    rows = [
        Row(
            prompt=p.original,
            seed=seed,
            changes=(Altered(layers=layers, prompt=p.target),) if layers else (),
        )
        for p, layers, seed in plan
    ]
    asked = [
        {"prompt": p.original, "seed": seed}
        | ({"layers": layers, "target": p.target} if layers else {})
        for p, layers, seed in plan
    ]
    texts = [text for p in (STYLE, OBJECT, FACT, PLACE) for text in (p.original, p.target)]
    page = opened("live-light.html")
    given = {
        "model": name,
        "rows": asked,
        "texts": texts,
        "settings": {"steps": settings.steps, "guidance": settings.guidance},
    }
    compare(generate(model, rows, settings, quiet=True), page.evaluate(DRAW, given), texts)
    assert page.wrong == []


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1.0, -0.5])
def test_an_edited_picture_is_the_librarys(opened, scale):
    model = models.load("planted-sd-v1-5", device="cpu", dtype="float32")
    change = changes.change(model, "style", "van gogh")
    scaled = made_edit(
        model,
        "scaled",
        {path: scale * delta for path, delta in change.edit.deltas.items()},
        seconds=0,
    )
    settings = Settings(steps=10, guidance=3.0)
    with applied(model, scaled) as edited:
        images = generate(edited, [Row(prompt=STYLE.original, seed=5)], settings, quiet=True)
    row = {"prompt": STYLE.original, "seed": 5, "edit": {"name": "van gogh", "scale": scale}}
    given = {
        "model": model.name,
        "rows": [row],
        "texts": [STYLE.original, STYLE.target],
        "settings": {"steps": 10, "guidance": 3},
    }
    page = opened("live-light.html")
    compare(images, page.evaluate(DRAW, given), given["texts"])


@pytest.mark.slow
def test_an_edit_where_locogen_finds_it_is_the_librarys(opened, exported):
    """Of the natural model, whose objects LocoGen finds elsewhere than the paper names them."""
    edits = json.loads((exported / export.MANIFEST).read_text())["models"]["mini-sd-v1-5"]["edits"]
    (name,) = (name for name, told in edits.items() if name.startswith("snoopy@"))
    layers = tuple(edits[name]["layers"])
    model = models.load("mini-sd-v1-5", device="cpu", dtype="float32")
    assert edits[name]["by"] == "LocoGen" and edits["snoopy"]["by"] == "paper"
    assert layers != changes.known_layers(model, "object") == tuple(edits["snoopy"]["layers"])
    change = changes.change(model, "object", "snoopy", layers)
    assert change.name == name
    settings = Settings(steps=model.spec.steps, guidance=model.spec.guidance)
    with applied(model, change.edit) as edited:
        images = generate(edited, [Row(prompt=OBJECT.original, seed=5)], settings, quiet=True)
    row = {"prompt": OBJECT.original, "seed": 5, "edit": {"name": name, "scale": 1}}
    given = {
        "model": model.name,
        "rows": [row],
        "texts": [OBJECT.original, OBJECT.target],
        "settings": {"steps": settings.steps, "guidance": settings.guidance},
    }
    compare(images, opened("live-light.html").evaluate(DRAW, given), given["texts"])


@pytest.mark.slow
def test_a_picture_with_dropped_neurons_is_the_librarys(opened, exported):
    """The half of each matrix that tells van Gogh most, and with it a window that reads the target."""
    manifest = json.loads((exported / export.MANIFEST).read_text())
    order = manifest["models"]["planted-sd-v1-5"]["neurons"]["van gogh"]
    model = models.load("planted-sd-v1-5", device="cpu", dtype="float32")
    few = [(layer, kind, tuple(own[: len(own) // 2])) for layer, kind, own in order]
    drop = tuple(
        Dropped(layer=layer, matrix=("key", "value")[kind], neurons=neurons)
        for layer, kind, neurons in few
    )
    window = Altered(layers=(3, 4), prompt=STYLE.target)
    rows = [
        Row(prompt=STYLE.original, seed=6, changes=changed)
        for changed in ((), drop, (*drop, window))
    ]
    settings = Settings(steps=10, guidance=3.0)
    images = generate(model, rows, settings, quiet=True)
    assert np.abs(images[1].astype(int) - images[0]).mean() > LEVELS  # they do something
    plain = {"prompt": STYLE.original, "seed": 6}
    dropped = [{"layer": layer, "kind": kind, "neurons": list(own)} for layer, kind, own in few]
    altered = {"layers": [3, 4], "target": STYLE.target}
    given = {
        "model": model.name,
        "rows": [plain, plain | {"dropped": dropped}, plain | {"dropped": dropped} | altered],
        "texts": [STYLE.original, STYLE.target],
        "settings": {"steps": 10, "guidance": 3},
    }
    compare(images, opened("live-light.html").evaluate(DRAW, given), given["texts"])


@pytest.mark.slow
def test_guidance_of_one_has_no_second_branch(opened):
    model = models.load("planted-sd-v1-5", device="cpu", dtype="float32")
    images = generate(
        model, [Row(prompt="a cat", seed=3)], Settings(steps=5, guidance=1.0), quiet=True
    )
    given = {
        "model": model.name,
        "rows": [{"prompt": "a cat", "seed": 3}],
        "texts": ["a cat", "a dog"],
        "settings": {"steps": 5, "guidance": 1},
    }
    compare(images, opened("live-light.html").evaluate(DRAW, given), given["texts"])


# --- the page


def drawn(page) -> None:
    """Wait until nothing is drawn any more."""
    page.locator(".live[aria-busy=false]").wait_for(timeout=60_000)


@pytest.mark.slow
def test_a_reader_switches_layers_and_sees_the_share(opened):
    page = opened("live-light.html")
    page.get_by_role("button", name="Draw").click()
    drawn(page)
    for layer in (8, 9):
        page.get_by_role("button", name=re.compile(rf"^Layer {layer},")).click()
    page.locator(".said", has_text="Layers 8-9: ").first.wait_for(timeout=60_000)
    assert float(page.locator(".live").get_attribute("data-share")) > 0.8
    assert "layers=8-9" in page.url and page.wrong == []
    page.get_by_role("button", name="None", exact=True).click()
    assert page.locator(".switch[aria-pressed=true]").count() == 0


@pytest.mark.slow
def test_a_link_asks_the_same_question(opened):
    fragment = "#model=mini-sd-v1-5&prompt=a+cat+in+a+beach&target=a+cat&attribute=place&layers=10-12&seed=7&guidance=2&steps=5"
    page = opened(f"live-light.html{fragment}")
    assert page.get_by_label("Prompt", exact=True).input_value() == "a cat in a beach"
    assert page.get_by_label("Seed of the noise").input_value() == "7"
    assert page.locator(".switch[aria-pressed=true]").all_inner_texts() == ["10", "11", "12"]


@pytest.mark.slow
def test_keys_move_among_the_switches(opened):
    page = opened("live-light.html")
    page.get_by_role("button", name=re.compile("^Layer 0,")).focus()
    for key in ("ArrowRight", "ArrowRight", "Space"):
        page.keyboard.press(key)
    assert page.locator(".switch[aria-pressed=true]").all_inner_texts() == ["2"]
    page.keyboard.press("End")
    assert page.evaluate("document.activeElement.textContent") == "15"


@pytest.mark.slow
def test_the_sweep_finds_what_was_planted_and_answers_the_bet(opened):
    page = opened("live-light.html")
    page.get_by_label("I bet: from").select_option("3")
    page.get_by_label("to", exact=True).select_option("4")
    page.get_by_role("button", name="Run LocoGen").click()
    page.locator(".sweeping .said", has_text="The best window").wait_for(timeout=120_000)
    said = page.locator(".sweeping .said").inner_text()
    assert (
        "The best window is layers 8-9" in said
        and "Your bet, layers 3-4" in said
        and "elsewhere" in said
    )
    assert "We planted style in layers 8-9" in said
    assert (
        page.locator(".sweeping .point").count() == 15
        and page.locator(".thumb:visible").count() == 17
    )
    assert page.wrong == []


@pytest.mark.slow
def test_a_sweep_can_be_stopped(opened):
    page = opened("live-light.html")
    page.get_by_role("button", name="Run LocoGen").click()
    page.locator(".thumb:visible").first.wait_for(timeout=60_000)
    page.get_by_role("button", name="Stop").click()
    page.locator(".sweeping .said", has_text="Stopped.").wait_for(timeout=20_000)
    assert page.locator(".thumb:visible").count() < 17


@pytest.mark.slow
def test_unknown_words_are_named_on_the_page(opened):
    page = opened("live-light.html")
    page.get_by_label("Prompt", exact=True).fill("a photorealistic house")
    page.keyboard.press("Tab")
    assert "“photorealistic”" in page.locator(".unknown").inner_text()


@pytest.mark.slow
def test_shares_made_beforehand_stand_below_the_switches(opened, exported):
    """Both strips line up with the switches, and are told in words and in a table."""
    told = json.loads((exported / export.MANIFEST).read_text())["models"]["planted-sd-v1-5"]
    shares = told["swept"][STYLE.original]["shares"]
    page = opened("live-light.html")
    page.get_by_text("What was computed beforehand").click()
    assert page.locator(".passes .bar").count() == 16 and page.locator(".swept .bar").count() == 15
    assert shares.index(max(shares)) == 8
    assert "The largest: layers 8-9 (" in page.locator(".swept .drawn-bars").get_attribute(
        "aria-label"
    )
    box = [page.locator(where).nth(8).bounding_box() for where in (".switch", ".swept .bar")]
    assert abs(box[1]["x"] + box[1]["width"] / 2 - box[0]["x"] - box[0]["width"]) < 6
    page.get_by_text("The numbers").click()
    cells = page.locator(".before tr:nth-child(9) > *").all_inner_texts()
    first = told["firstOrder"][STYLE.original][8]
    assert cells == ["8", f"{first:.2f}", f"{shares[8]:.2f}"]


@pytest.mark.slow
def test_a_prompt_without_stored_shares_is_offered_the_sweep(opened):
    page = opened("live-light.html#prompt=a+dog+in+a+city&target=a+cat+in+a+city&attribute=object")
    page.get_by_text("What was computed beforehand").click()
    assert page.locator(".bars").count() == 0
    assert "the study's menu alone" in page.locator(".before").inner_text()
    page.get_by_role("button", name="Go to its sweep").click()
    assert page.evaluate("document.activeElement.textContent") == "Run LocoGen for this prompt"


@pytest.mark.slow
def test_an_edit_has_a_slider(opened):
    page = opened("live-light.html")
    page.get_by_label("Forget").select_option("van gogh")
    page.get_by_role("button", name="Draw").click()
    page.locator(".edited.drawn").wait_for(timeout=60_000)
    drawn(page)
    before = page.locator(".edited canvas").evaluate("(c) => c.toDataURL()")
    page.get_by_role("slider", name="Strength").fill("-1")
    page.locator(".edited figcaption", has_text=re.compile(r"strength -1: score")).wait_for(
        timeout=60_000
    )
    assert page.locator(".edited canvas").evaluate("(c) => c.toDataURL()") != before
    assert "edit=van+gogh" in page.url and "scale=-1" in page.url


@pytest.mark.slow
def test_the_front_page_loads_nothing_until_it_is_touched(opened):
    page = opened("intro-light.html")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(300)
    assert not [url for url in asked if "models/" in url or "runtime/" in url]
    page.get_by_role("button", name="Draw it in this page").click()
    page.locator(".small-live .said", has_text="Layers 0-1").wait_for(timeout=60_000)
    assert page.locator(".small-live .drawn").count() == 2 and page.wrong == []


@pytest.mark.slow
def test_the_second_visit_loads_no_weights(opened, address):
    page = opened("live-light.html")
    page.get_by_role("button", name="Draw").click()
    drawn(page)
    asked = []
    page.context.on("request", lambda request: asked.append(request.url))
    page.reload()
    page.get_by_role("button", name="Draw").click()
    drawn(page)
    assert not [url for url in asked if url.split("?")[0].endswith(".gz")]


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [420, 1280])
def test_axe_finds_nothing(opened, axe, theme, width):
    page = opened(f"live-{theme}.html#layers=8-9&edit=monet", width=width)
    page.get_by_role("button", name="Run LocoGen").click()
    page.locator(".sweeping .said", has_text="The best window").wait_for(timeout=120_000)
    page.get_by_role("button", name="Draw").click()
    drawn(page)
    page.evaluate("document.querySelectorAll('details').forEach((box) => { box.open = true; })")
    page.evaluate(axe)
    assert page.evaluate(RUN) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


STORED = scrubber(
    [("a house", [(label, np.full((64, 64, 3), level, np.uint8)) for label, level in LABELS])],
    title="What each window does",
    marked=[["8-9"]],
    shares=[{"0-1": 0.0, "8-9": 0.97}],
).data


@pytest.fixture
def with_scrubber(exported, served, tmp_path) -> str:
    """A site in which the page of the planted model has pictures that were drawn before."""
    assert placing.place(exported, tmp_path)
    (tmp_path / "notebooks").mkdir()
    stored = f"<!doctype html><main>{STORED}</main>"
    (tmp_path / "notebooks" / "07_planted_truth.html").write_text(stored, encoding="utf-8")
    for theme in ("light", "dark"):
        (tmp_path / f"live-{theme}.html").write_text(page_of("live.md", theme), encoding="utf-8")
    return served(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "lost, said",
    [("WebAssembly", "no WebAssembly"), ("DecompressionStream", "cannot unpack the models")],
)
@pytest.mark.parametrize("theme, width", [("light", 1280), ("dark", 420)])
def test_a_browser_that_cannot_draw_shows_stored_pictures(
    browser, axe, with_scrubber, lost, said, theme, width
):
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.add_init_script(f"delete globalThis.{lost}")
    page.goto(f"{with_scrubber}/live-{theme}.html")
    page.locator("[data-ready=lacking]").wait_for()
    assert said in page.locator(".loco-live-told").inner_text()
    assert page.get_by_role("link", name="the windows of the planted model").is_visible()
    slider = page.get_by_role("slider", name=re.compile("^Slide over the layers"))
    slider.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext").startswith("layers 8-9; share")
    assert page.locator(".loco-scrubber .live img:visible").count() == 3
    page.evaluate(axe)
    assert page.evaluate(RUN) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.slow
def test_without_stored_pictures_the_link_remains(browser, address):
    page = browser.new_page()
    page.add_init_script("delete globalThis.WebAssembly")
    page.goto(f"{address}/live-light.html")
    page.locator("[data-ready=lacking]").wait_for()
    assert "no WebAssembly" in page.locator(".loco-live-told").inner_text()
    assert page.get_by_role("link", name="the windows of the planted model").is_visible()


@pytest.mark.slow
def test_without_motion_nothing_is_drawn_step_by_step(opened):
    page = opened("live-light.html", reduced_motion="reduce")
    code = "() => { window.shown = 0; const put = CanvasRenderingContext2D.prototype.putImageData; CanvasRenderingContext2D.prototype.putImageData = function (...all) { window.shown += 1; return put.apply(this, all); }; }"
    page.evaluate(code)
    page.get_by_role("button", name="Draw").click()
    drawn(page)
    assert 0 < page.evaluate("window.shown") <= 12
