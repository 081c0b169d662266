"""Notebooks and pages: parameters are checked before work, papermill runs them, the rendered site is whole."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from locolib import UserError, pages, study

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted([*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("book/*.ipynb")])
SMOKE = {"prompts": 2, "seeds": 1, "steps": 1}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
class TestSource:
    def test_is_without_outputs_and_valid(self, path):
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)

    def test_has_one_parameters_cell_of_at_most_8_commented_literals(self, path):
        cells = [c for c in nbformat.read(path, as_version=4).cells if "parameters" in c.metadata.get("tags", [])]
        (cell,) = cells
        lines = cell.source.splitlines()
        assert len(lines) <= 8 and all("#" in line for line in lines)

    def test_cells_are_short(self, path):
        sizes = sorted(len([line for line in c.source.splitlines() if line.strip()]) for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code")
        assert sizes[-1] <= 15 and sizes[len(sizes) // 2] <= 6

    def test_every_figure_has_a_caption_a_name_and_alt_text(self, path):
        for cell in nbformat.read(path, as_version=4).cells:
            shown = cell.metadata.get("mystnb", {})
            if "figure" in shown:
                assert shown["figure"]["caption"] and shown["figure"]["name"] and shown["image"]["alt"]

    def test_opens_with_a_claim_and_its_section(self, path):
        first = nbformat.read(path, as_version=4).cells[0].source
        assert first.startswith("# ") and "\n> " in first and ("Section" in first or "Appendix" in first)


@pytest.mark.parametrize("given, message", [
    ({"modle": "planted-sd-v1-5"}, "'modle'.*model, prompts"),
    ({"model": "sd-v9"}, "sd-v9.*planted-sd-v1-5"),
    ({"seeds": "two"}, "'seeds'.*'two'"),
    ({"steps": 0}, "'steps'.*0"),
    ({"attribute": "colour"}, "style, object, fact, place"),
    ({"m": 17}, "from 1 to 16"),
    ({"m": -1}, "'m'"),
], ids=str)
def test_a_bad_notebook_parameter_is_one_sentence(given, message):
    with pytest.raises(UserError, match=message) as error:
        study.parameters("02_locogen", given)
    assert len(str(error.value).splitlines()) == 1


def test_only_a_planted_model_has_a_known_answer():
    with pytest.raises(UserError, match="known right answer"):
        study.parameters("07_planted_truth", {"model": "sd-v1-5"})


def test_names_of_a_kernel_are_no_parameters():
    given = study.parameters("02_locogen", {"_i": "x", "In": [], "Out": {}, "json": json, "seeds": 3})
    assert given.seeds == 3 and given.sizes() == {"style": 2, "object": 2, "fact": 2, "place": 3}


def test_few_prompts_are_spread_over_the_values():
    prompts = pages.choose(pages.read("style"), 4)
    assert len({p.value for p in prompts}) == 4


def test_papermill_alone_runs_the_locogen_notebook(organisms, tmp_path):
    """What a user does who knows nothing of us: plain papermill, other parameters."""
    out = tmp_path / "out.ipynb"
    command = [sys.executable, "-m", "papermill", str(ROOT / "notebooks/02_locogen.ipynb"), str(out), "-p", "attribute", "fact", "-p", "m", "1",
               *(word for name, value in SMOKE.items() for word in ("-p", name, str(value)))]
    environment = os.environ | {"LOCOLIB_ORGANISMS": str(organisms), "LOCOLIB_STORE": str(tmp_path / "store")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    text = out.read_text()
    assert "image/png" in text and "weights" in text


@pytest.mark.slow
def test_the_whole_study_renders_without_a_warning_and_again_at_once(organisms, tmp_path):
    environment = os.environ | {"LOCOLIB_ORGANISMS": str(organisms), "LOCOLIB_STORE": str(tmp_path / "store")}
    command = [sys.executable, "-c", f"from locolib.study import study; from pathlib import Path; study(profile='smoke', root=Path({str(tmp_path / 'build')!r}))"]
    for _ in range(2):
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)
        assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-2000:]
    assert "none to run" in done.stdout
    site = tmp_path / "build" / "site"
    assert {"intro.html", "world.html", "model.html", "glossary.html", "rerun.html"} <= {p.name for p in site.glob("*.html")}
    page = (site / "notebooks" / "02_locogen.html").read_text()
    assert page.count("attribute =") <= 1 or "injected" not in page
