"""Pages in processes of their own: forked with everything imported, and yet as papermill alone runs them."""

import os

import nbformat
import papermill
import pytest

from locolib.study import execute

CELLS = [
    "one = 1  # papermill's parameters follow",
    "import os, tqdm\nprint(one, os.environ.get('LOCO_TOLD'), os.environ.get('LOCO_BEFORE'))",
    "import matplotlib.pyplot as plt\nfrom locolib import figures\nfigures.offer()\n_ = plt.plot([1, 2], [3, 4])",
]


@pytest.fixture
def notebook(tmp_path):
    """``notebook(*cells)`` writes one; returns what to ask of `execute.executed`."""

    def written(*cells):
        made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        made.cells[0].metadata["tags"] = ["parameters"]
        made.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": ""}
        nbformat.write(made, tmp_path / "page.ipynb")
        source, out = str(tmp_path / "page.ipynb"), str(tmp_path / "out.ipynb")
        return {"source": source, "out": out, "values": {"one": 2}}

    return written


def outputs(path):
    """What the cells of an executed notebook put out: their texts, and the kinds of what they display."""
    return [
        [output.get("text") or dict(output.data) for output in cell.outputs]
        for cell in nbformat.read(path, as_version=4).cells
    ]


def test_a_page_is_what_papermill_alone_makes_of_it(notebook, tmp_path):
    asked = notebook(*CELLS)
    assert execute.executed(asked, dict(os.environ)) is None
    plain = str(tmp_path / "plain.ipynb")
    papermill.execute_notebook(asked["source"], plain, asked["values"], progress_bar=False)
    assert outputs(asked["out"]) == outputs(plain)
    assert {"image/png", "text/plain"} < set(outputs(plain)[-1][0]), "a picture, and its numbers"


def test_a_page_sees_the_variables_of_its_caller_and_no_others(notebook, monkeypatch):
    """Also when the process from which pages are forked was begun with others."""
    asked = notebook(*CELLS[:2])
    assert execute.executed(asked, dict(os.environ) | {"LOCO_BEFORE": "left"}) is None
    assert execute.executed(asked, dict(os.environ) | {"LOCO_TOLD": "yes"}) is None
    assert outputs(asked["out"])[-1] == ["2 yes None\n"]


def test_what_went_wrong_is_told(notebook):
    asked = notebook(
        "one = 1", "from locolib import UserError\nraise UserError('name another one')"
    )
    told = execute.executed(asked, dict(os.environ))
    assert told == {"cell": 2, "name": "UserError", "value": "name another one"}
    gone = execute.executed(asked | {"source": asked["source"] + "x"}, dict(os.environ))
    assert "reason" in gone and "page.ipynbx" in gone["reason"]


def test_a_kernel_that_dies_is_told(notebook):
    asked = notebook("one = 1", "import os\nos._exit(1)")
    assert "DeadKernelError" in execute.executed(asked, dict(os.environ))["reason"]
