"""The site is light and whole: pictures as WebP, plots with the same pixels, none twice, links from figures to code and data."""

import io
import re
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from locolib.figures.drawn import MIME, drawn
from locolib.study import figure_links, lighter

LINK = re.compile(r'(?:src|href)="([\w./-]+\.(?:png|webp|csv))"')


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


@pytest.fixture
def plot() -> np.ndarray:
    """A picture that WebP keeps in less: lines on a white ground, and some noise."""
    pixels = np.full((200, 300, 3), 255, np.uint8)
    pixels[::7] = 40
    pixels[20:60, 20:60] = np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    return pixels


@pytest.fixture
def small_site(tmp_path, plot) -> Path:
    """A site of one page with a figure, a download with outputs, a style that names a picture, and what nothing names."""
    site = tmp_path / "site"
    for folder in ("_images", "_static/scripts", "_sources"):
        (site / folder).mkdir(parents=True)
    (site / "_images" / "abc.png").write_bytes(png(plot))
    (site / "_static" / "minus.png").write_bytes(png(plot[:2, :2]))
    (site / "_static" / "world.png").write_bytes(png(plot))
    (site / "_static" / "basic.css").write_text("a { background: url(minus.png); }")
    (site / "_static" / "scripts" / "theme.js.map").write_text("{}")
    (site / "page.html").write_text('<a href="_images/abc.png"><img src="_images/abc.png"></a>')
    cell = nbformat.v4.new_code_cell("a = 1", execution_count=3)
    cell.outputs = [nbformat.v4.new_output("stream", text="1" * 1000)]
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), site / "_sources" / "page.ipynb")
    return site


def test_a_lighter_site_shows_the_same(small_site, tmp_path, plot):
    lighter.lighten(small_site, tmp_path / "webp")
    assert {p.name for p in small_site.rglob("*") if p.suffix in (".png", ".webp", ".map")} == {
        "abc.webp",
        "minus.png",
    }
    assert LINK.findall((small_site / "page.html").read_text()) == ["_images/abc.webp"] * 2
    seen = Image.open(small_site / "_images" / "abc.webp").convert("RGB")
    assert (np.asarray(seen) == plot).all()


def test_a_figure_of_images_is_nearly_the_same_in_less_than_half():
    """Lossy WebP where it gains much: a picture without flat areas, and words on white beside it."""
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)).resize((256, 256))
    pixels = np.full((256, 400, 3), 255, np.uint8)
    pixels[:, :256] = np.clip(np.asarray(image) + rng.normal(0, 4, (256, 256, 1)), 0, 255)
    pixels[100:110, 300:390:6] = 0
    made = lighter.smaller(png(pixels))
    exact = io.BytesIO()
    Image.fromarray(pixels).save(exact, "webp", lossless=True)
    assert len(made) < len(exact.getvalue()) / 2
    away = np.abs(np.asarray(Image.open(io.BytesIO(made)).convert("RGB")).astype(int) - pixels)
    assert 0 < away.mean() < 4 and away[:, 270:].mean() < 2


def test_a_download_has_its_code_and_no_outputs(small_site, tmp_path):
    lighter.lighten(small_site, tmp_path / "webp")
    (cell,) = nbformat.read(small_site / "_sources" / "page.ipynb", as_version=4).cells
    assert (cell.source, cell.outputs, cell.execution_count) == ("a = 1", [], None)


def test_a_picture_is_written_once(small_site, tmp_path, monkeypatch):
    before = (small_site / "_images" / "abc.png").read_bytes()
    lighter.lighten(small_site, tmp_path / "webp")
    monkeypatch.setattr(lighter, "smaller", lambda png: pytest.fail("it is there"))
    (small_site / "_images" / "abc.png").write_bytes(before)
    lighter.lighten(small_site, tmp_path / "webp")
    (small_site / "_images" / "abc.webp").unlink()
    lighter.lighten(small_site, tmp_path / "webp")
    assert list((tmp_path / "webp").glob("*")) == []  # what no page shows is not kept


def test_what_is_smaller_as_it_was_stays(small_site, tmp_path):
    dot = Image.new("1", (1, 1))
    dot.save(small_site / "_images" / "dot.png")
    (small_site / "_images" / "dot.png").write_bytes(b"")  # an empty file cannot be beaten
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lighter, "smaller", lambda png: b"x" * 10_000_000)
        lighter.lighten(small_site, tmp_path / "webp")
    assert (small_site / "_images" / "abc.png").exists()
    assert LINK.findall((small_site / "page.html").read_text()) == ["_images/abc.png"] * 2


# --- data and code of figures


def test_lines_bars_intervals_and_names_are_read_from_a_figure():
    figure, ax = plt.subplots()
    ax.errorbar([1, 2], [0.5, 0.7], yerr=[[0.1, 0.2], [0.1, 0.2]], fmt="o-", label="share")
    ax.axhline(0.8)
    ax.set_title("A panel", loc="left")
    ax.set_xticks([1, 2], ["8-9", "9-10"])
    found = drawn(figure)
    plt.close(figure)
    points, ends = found[found.kind == "point"], found[found.kind == "interval"]
    assert points[["x", "y"]].to_numpy().tolist() == [[1, 0.5], [2, 0.7]]
    assert np.allclose(ends[["y", "y_end"]], [[0.4, 0.6], [0.5, 0.9]])
    assert (
        set(found.panel) == {"A panel"}
        and set(found.series) == {"share"}
        and list(points.x_name) == ["8-9", "9-10"]
    )


def test_bars_cells_and_words_are_read_and_pictures_have_no_numbers():
    figure, (one, two, three) = plt.subplots(3)
    one.barh([0, 1], [3.0, 4.0])
    one.axvspan(0, 1)
    two.imshow(np.array([[1.0, 2.0]]))
    two.text(0, 0, "1 %")
    three.imshow(np.zeros((4, 4, 3), np.uint8))
    found = drawn(figure)
    plt.close(figure)
    assert sorted(found[found.kind == "bar"].x_end)[-2:] == [3.0, 4.0]
    assert found[found.kind == "cell"].value.tolist() == [1.0, 2.0]
    assert found[found.kind == "text"].value.tolist() == ["1 %"] and "panel 3" not in set(
        found.panel
    )


def output(table: pd.DataFrame) -> nbformat.NotebookNode:
    return nbformat.v4.new_output(
        "display_data",
        {"image/png": "", MIME: {"columns": list(table), "data": table.to_numpy().tolist()}},
    )


def test_the_data_of_an_executed_page_become_a_file():
    table = pd.DataFrame({"x": [1.0, 2.0], "y": [0.5, 0.25]})
    cell = nbformat.v4.new_code_cell("draw()", outputs=[output(table)])
    cell.metadata = nbformat.from_dict({"mystnb": {"figure": {"name": "fig-a"}}})
    text = nbformat.writes(nbformat.v4.new_notebook(cells=[cell, nbformat.v4.new_code_cell("1")]))
    shown, files = figure_links.taken("page", text)
    ((place, data),) = files.items()
    assert (
        MIME not in shown
        and "image/png" in shown
        and figure_links.taken("page", shown) == (shown, {})
    )
    assert place == "_static/data/page/fig-a.csv"
    assert pd.read_csv(io.BytesIO(data)).equals(table)


def test_every_figure_of_a_page_has_links_to_its_code_and_data(tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "_static/data/page").mkdir(parents=True)
    (tmp_path / "_static/data/page/fig-a.csv").write_text("x\n1\n")
    cell = '<div class="cell"><details><div class="cell_input docutils container">code {}</div></details>'
    figure = (
        '<figure class="align-default" id="{}"><a href="../_images/{}.png"><img alt="a" src="../_images/{}.png" /></a>'
        "<figcaption><p>Words.</p></figcaption></figure></div>"
    )
    parts = [cell.format(1), figure.format(*["fig-a"] * 3), cell.format(2), cell.format(3)]
    text = "".join([*parts, figure.format(*["fig-b"] * 3), figure.format(*["fig-pasted"] * 3)])
    made = figure_links.with_links(text, tmp_path / "notebooks" / "page.html", tmp_path)
    links = re.findall(r'<p class="loco-links">Of this figure: (.*?)</p>', made)
    assert len(links) == 3
    assert 'href="#code-fig-a"' in links[0] and "../_static/data/page/fig-a.csv" in links[0]
    assert 'href="#code-fig-b"' in links[1] and 'href="../_images/fig-b.png"' in links[1]
    assert "code" not in links[2]  # its cell is on the page that drew it
    assert re.findall(
        r'<div id="(code-[\w-]+)" class="cell_input docutils container">code (\d)', made
    ) == [("code-fig-a", "1"), ("code-fig-b", "3")]
    plain = re.sub(r'<p class="loco-links">.*?</p>|(?<=<div) id="code-[\w-]+"', "", made)
    assert plain == text


# --- the rendered site


@pytest.mark.slow
def test_the_site_has_no_picture_that_could_be_smaller(site):
    pages = list(site.rglob("*.html"))
    assert not [path.name for path in pages if "data:image/png" in path.read_text(encoding="utf-8")]
    assert not list(site.rglob("*.map"))
    left = [path for path in site.rglob("*.png") if path.stat().st_size > 2000]
    for path in left:
        assert path.parent.name == "_images", path
        assert len(lighter.smaller(path.read_bytes())) >= path.stat().st_size, path
    data = [path.read_bytes() for path in [*site.rglob("*.png"), *site.rglob("*.webp")]]
    assert len(set(data)) == len(data), "a picture is there twice"
    for path in (site / "_sources").rglob("*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        assert not any(cell.get("outputs") for cell in cells), path


@pytest.mark.slow
def test_every_figure_of_the_site_has_code_and_data_that_are_there(site):
    count = numbers = 0
    for path in (path for path in site.rglob("*.html") if "_static" not in path.parts):
        text = path.read_text(encoding="utf-8")
        found = re.findall(r'<figure class="align[^>]*id=.*?</figure>', text, re.S)
        figures = [
            one for one in found if "<img" in one
        ]  # others say that there is nothing to draw
        links = re.findall(r'<p class="loco-links">(.*?)</p>', text)
        assert len(links) == len(figures), path
        for name in LINK.findall(text):
            assert (path.parent / name).exists(), f"{path.name}: {name}"
        for anchor in re.findall(r'href="#(code-[\w-]+)"', text):
            assert text.count(f'id="{anchor}"') == 1
        count, numbers = count + len(figures), numbers + sum("CSV" in link for link in links)
    assert count > 20 and numbers > count / 3  # the rest are pictures
