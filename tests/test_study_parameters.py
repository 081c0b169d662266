"""A notebook's parameters as kernels give them: run twice, by papermill with paths, misspelt; what is refused before any work."""

import math
import os

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell

from locolib import UserError
from locolib.drawing.sampling import Settings
from locolib.study import pages

CELL = 'model = "planted-sd-v1-5"  # a model\nseeds = 3\nguidance = 0.0'
ASK = 'from locolib.study import pages\np = pages.parameters("02_locogen", globals())'
LATER = 'scorer, title = "a scorer", "a title"\nmodel = object()\nsizes = 3'


@pytest.fixture
def kernel():
    """``kernel(cells...)`` runs cells in one IPython kernel; the last one's ``p``."""
    shell = InteractiveShell()

    def run(*cells):
        for cell in cells:
            done = shell.run_cell(cell, store_history=True)
            done.raise_error()
        return shell.user_ns["p"]

    return run


def test_run_all_twice_gives_the_same_parameters(kernel):
    first = kernel(CELL, ASK, LATER)
    assert kernel(CELL, ASK, LATER) == first and first.seeds == 3
    assert (
        kernel(ASK).model == "planted-sd-v1-5"
    )  # that cell alone, after `model` became another thing


def test_changed_parameters_count_when_they_are_run_again(kernel):
    kernel(CELL, ASK, LATER)
    assert kernel(CELL.replace("3", "5"), ASK).seeds == 5


def test_papermills_cell_counts_over_the_defaults_and_its_paths_do_not(kernel):
    injected = (
        '# Parameters\nseeds = 7\nPAPERMILL_INPUT_PATH = "a.ipynb"\nPAPERMILL_OUTPUT_PATH = None'
    )
    assert kernel(CELL, injected, ASK).seeds == 7
    only_paths = 'PAPERMILL_INPUT_PATH = "a.ipynb"'
    assert kernel(CELL, only_paths, ASK, LATER).seeds == 3


@pytest.mark.parametrize("again", [False, True])
def test_a_misspelt_name_is_refused_each_time(kernel, again):
    cells = [CELL, "modle = 'x'", ASK]
    with pytest.raises(UserError, match="Unknown parameter 'modle' of 02_locogen"):
        kernel(*([CELL, ASK, LATER] if again else []), *cells)


def test_what_a_user_tried_between_is_no_parameter(kernel):
    assert kernel(CELL, "print('hello')", "scratch = 3", "print(scratch)", ASK).seeds == 3


def test_infinity_is_a_value_that_is_refused(kernel):
    with pytest.raises(UserError, match="guidance a number"):
        kernel(CELL, "guidance = float('inf')", ASK)
    for wrong in (math.inf, math.nan):
        with pytest.raises(UserError, match="guidance a number"):
            Settings(guidance=wrong)


def test_without_a_kernel_every_plain_value_counts():
    with pytest.raises(UserError, match="Unknown parameter 'scorer'"):
        pages.parameters("02_locogen", {"scorer": "x"})


@pytest.mark.parametrize("page", pages.PAGES)
def test_every_notebooks_cell_is_read_from_the_history(page):
    notebook = nbformat.read(pages.HOME / pages.PAGES[page].source, as_version=4)
    (cell,) = (c for c in notebook.cells if "parameters" in c.metadata.get("tags", []))
    told = pages.given_in([cell.source, "running"], pages.PAGES[page].model_fields)
    assert told and pages.parameters(page, {"In": [cell.source, ""]}) == pages.parameters(page, {})


def test_ratings_are_read_before_pictures_are_made():
    cells = nbformat.read(pages.HOME / "notebooks/06_human_study.ipynb", as_version=4).cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    assert code.index("human.collect(") < code.index("sampling.generate(")
    assert code.index("human.collect(") < code.index("human.render(")


@pytest.fixture
def umask():
    before = os.umask(0o027)
    yield
    os.umask(before)


def test_what_is_written_follows_the_umask(umask, tmp_path, model):
    from locolib.experiments import editing
    from locolib.prompts import read
    from locolib.store import Store, write_atomic

    write_atomic(tmp_path / "plan.csv", b"")
    store = Store(tmp_path / "store")
    store.write(store.root / "runs" / "a" / "table.parquet", b"")
    change = editing.locoedit(model, read("style")[:2], (8,), tokens="subject")
    editing.save_pipeline(model, change, tmp_path / "whole")
    editing.save_lora(model, change, tmp_path / "lora")
    editing.save_kohya(model, change, tmp_path / "kohya")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".safetensors" for path in files)
    assert {oct(path.stat().st_mode & 0o777) for path in files} == {"0o640"}
