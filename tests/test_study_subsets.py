"""Any subset of the pages makes a book: every link leads somewhere, and its texts speak of what there is."""

import posixpath
import random
import re
import subprocess
import sys
from functools import cache

import nbformat
import pytest
import yaml

from locolib.experiments.page import BUNDLED, here
from locolib.experiments.profiles import profile
from locolib.models import MODELS
from locolib.store import write_atomic
from locolib.study import book, pages, shown

PUBLISHED = [name for name, spec in MODELS.items() if not spec.bundled]
DOC = re.compile(r"\{doc\}`(?:[^`<]+<)?([^`<>]+)>?`")
GLUED = re.compile(r"\{glue(?:[:\w]*)\} (\w+)\n:doc: (\S+)")


def runs(*models: str | None) -> list[pages.Run]:
    """The pages of several models (None: of all bundled ones), each once."""
    found = [run for model in models for run in pages.plan(profile("smoke"), model)]
    return list({run.name: run for run in found}.values())


def as_run(run: pages.Run) -> nbformat.NotebookNode:
    """A page as if it had been run: its title, what others quote of it, and all its links."""
    made = shown.stub(run.page)
    source = nbformat.read(pages.HOME / pages.PAGES[run.page].source, as_version=4)
    links = re.findall(r"\{doc\}`[^`]+`", "\n".join(cell.source for cell in source.cells))
    made.cells[0].source = f"{made.cells[0].source.splitlines()[0]}\n\nIt ran. {' '.join(links)}"
    return book.tidy(made, {}, {}, run.model)


@cache
def _written(page: str, model: str) -> bytes:
    return nbformat.writes(as_run(pages.Run(page=page, values={}, model=model))).encode()


def write(root, chosen) -> None:
    """Executed copies of some pages below a folder."""
    for run in chosen:
        write_atomic(shown.executed(run, root), _written(run.page, run.model))


def problems(folder) -> list[str]:
    """What is wrong with the links of what is rendered."""
    texts = {}
    for path in [*folder.rglob("*.md"), *folder.rglob("*.ipynb")]:
        place, text = path.relative_to(folder).with_suffix("").as_posix(), path.read_text()
        if path.suffix == ".ipynb":
            cells = nbformat.reads(text, as_version=4).cells
            text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        texts[place] = text
    listed = re.findall(r"file: (\S+)", (folder / "_toc.yml").read_text())
    found = [f"{name} is not listed" for name in texts if "api/" in name and name not in listed]
    found += [f"the contents list {name}" for name in listed if name not in texts]
    found += [f"{name} is listed twice" for name in set(listed) if listed.count(name) > 1]
    reached = {*listed, yaml.safe_load((folder / "_toc.yml").read_text())["root"]}
    for place in reached & set(texts):
        for target in DOC.findall(texts[place]):
            if posixpath.normpath(posixpath.join(posixpath.dirname(place), target)) not in reached:
                found.append(f"{place} links to {target}")
        for name, file in GLUED.findall(texts[place]):
            glued = (folder / file).read_text() if (folder / file).exists() else ""
            if f'"name": "{name}"' not in glued:
                found.append(f"{place} pastes {name} of {file}")
        if "<!-- " in texts[place]:
            found.append(f"{place} has a mark that nobody read")
    return found


@pytest.mark.parametrize("model", MODELS)
def test_the_pages_of_one_model_are_a_book(tmp_path, model):
    chosen = runs(model)
    write(tmp_path, chosen)
    folder = shown.write_pages(tmp_path)
    assert problems(folder) == []
    contents = (folder / "_toc.yml").read_text()
    assert all(run.name in contents for run in chosen)


@pytest.mark.parametrize("seed", range(8))
def test_a_random_subset_of_all_pages_is_a_book(tmp_path, seed):
    every = runs(None, *PUBLISHED)
    draw = random.Random(seed)
    write(tmp_path, draw.sample(every, draw.randint(1, len(every))))
    assert problems(shown.write_pages(tmp_path)) == []


def test_pages_that_are_run_later_replace_their_stubs_and_links(tmp_path):
    write(tmp_path, runs("planted-sd-v1-5"))
    folder = shown.write_pages(tmp_path)
    assert "Its models" not in (folder / "intro.md").read_text()
    assert shown.NOT_RUN in (folder / "world.ipynb").read_text()
    write(tmp_path, [*runs(None), *runs("sd-v1-5")])
    assert problems(shown.write_pages(tmp_path)) == []
    assert shown.NOT_RUN not in (folder / "world.ipynb").read_text()
    contents = (folder / "_toc.yml").read_text()
    assert contents.index("04_neuron_editing\n") < contents.index("04_neuron_editing-sd-v1-5\n")
    assert "Stable Diffusion v1.5**:" in (folder / "intro.md").read_text()


@pytest.mark.parametrize("model", PUBLISHED)
def test_a_book_of_a_published_model_does_not_speak_of_miniatures(tmp_path, model):
    write(tmp_path, runs(model))
    folder = shown.write_pages(tmp_path)
    front = (folder / "intro.md").read_text()
    assert "miniature" not in front and "planted" not in front and MODELS[model].title in front
    listed = re.findall(r"file: (\S+)", (folder / "_toc.yml").read_text())
    assert "teach" not in listed and "notebooks/07_planted_truth" not in listed
    assert not any("mini" in name or name == "world" for name in listed)


def test_a_published_model_has_all_pages_that_name_a_model():
    names = [run.page for run in runs("sd-v1-5")]
    three = ["01_causal_tracing", "02_locogen", "03_locoedit"]
    rest = ["06_human_study", "ledger", "reproduction"]
    assert names == [*three, "04_neuron_editing", *rest]
    assert [run.page for run in runs("deepfloyd-if")] == [
        *three,
        "04_neuron_editing",
        "05_deepfloyd_limits",
        *rest,
    ]
    for model in PUBLISHED:  # each can be asked what it is asked
        for run in runs(model):
            asked = pages.parameters(run.page, run.values)
            if run.model:
                assert asked.about()[0] == model and asked.images() > 0


def test_bundled_models_keep_the_pages_that_they_share():
    """A published model's copy takes the place of no page of the miniatures."""
    assert here(["mini-sd-v1-5"])
    ours, theirs = ({run.name for run in runs(name)} for name in (None, "sd-v1-5"))
    assert ours & theirs == {"ledger", "reproduction"}


@pytest.mark.slow
@pytest.mark.parametrize("models", [(name,) for name in ("sd-v1-5", *here(BUNDLED))], ids=str)
def test_a_book_of_one_model_renders_without_a_warning(tmp_path, models):
    """jupyter-book itself, with every warning an error."""
    write(tmp_path, runs(*models))
    code = f"from pathlib import Path; from locolib.study.book import build_book; build_book(Path({str(tmp_path)!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "site" / "notebooks" / f"02_locogen-{models[0]}.html").exists()
