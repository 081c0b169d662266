"""Benchmarks as far as seconds go: what they measure fits the model, and a model that cannot be measured is one sentence."""

import importlib
import importlib.util
import sys
from argparse import Namespace
from pathlib import Path

import nbformat
import pytest
import torch

from locolib.drawing.layers import sites
from locolib.drawing.sampling import Settings, generate
from locolib.models import find

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def sweep():
    spec = importlib.util.spec_from_file_location("sweep", FOLDER / "sweep.py")
    spec.loader.exec_module(module := importlib.util.module_from_spec(spec))
    return module


@pytest.mark.parametrize("name", ["planted-sd-v1-5", "mini-sdxl"])
def test_all_windows_of_a_model_are_swept(sweep, name):
    layers = find(name).layers
    assert {
        layer
        for row in sweep.plan(layers, layers)
        for change in row.changes
        for layer in change.layers
    } == set(range(layers))


@pytest.mark.parametrize(
    "name, words", [("mini-deepfloyd", "takes no latents"), ("sd-v9", "Unknown model")]
)
def test_a_model_that_cannot_be_compared_is_one_sentence(sweep, monkeypatch, capsys, name, words):
    monkeypatch.setattr(sys, "argv", ["sweep.py", "--model", name])
    with pytest.raises(SystemExit):
        sweep.main()
    assert words in capsys.readouterr().err


def test_the_judge_is_judged_on_draws_of_its_own_pictures():
    import numpy as np

    from locolib.experiments.editing import Judgement

    spec = importlib.util.spec_from_file_location("judging_benchmark", FOLDER / "judging.py")
    spec.loader.exec_module(module := importlib.util.module_from_spec(spec))
    good, bad = (
        Judgement(
            value="v",
            scorer="s",
            pairs={},
            found={"gone": np.array(gone), "kept": np.ones(40, bool), "moved": np.full(40, 0.5)},
        )
        for gone in (np.ones(40, bool), np.arange(40) % 2 == 0)
    )
    refused, written = module.rates([good, bad], 40, 10)
    assert (refused, written) == (0, 0)  # all pictures: the same answer
    assert 0.2 < module.rates([bad], 1, 400)[1] < 0.8  # one picture says as little as it should


@pytest.fixture
def full_size(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("full_size")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["sd-v1-5", "sdxl", "deepfloyd-if"])
def test_published_architectures_are_drawn_with_random_weights(full_size, name, dtype):
    model = full_size.random_model(name, dtype=dtype, device="cpu", narrow=True)
    assert len(sites(model.unet)) == find(name).layers
    settings = Settings(steps=2, guidance=3.0, batch=2)
    made = generate(model, full_size.plan(2, model.spec.layers), settings)
    assert made.shape == (2, model.side, model.side, 3) and made.std() > 0
    if model.sampler == "ddim":
        full_size.diffusers_batches(model, full_size.plan(2, model.spec.layers), settings)
        full_size.plain_loop(model, full_size.plan(1, model.spec.layers), settings)


def test_a_section_replaces_its_own_and_leaves_the_others(full_size):
    cpu, gpu = "## EPYC, 2 cores\n\nold\n", "## NVIDIA H100\n\nfast\n"
    first = full_size.written("", cpu)
    assert "old" in first and "Not run" in first and first.startswith("# ")
    second = full_size.written(first, gpu)
    assert "old" in second and "fast" in second and "Not run" not in second
    third = full_size.written(second, cpu.replace("old", "new"))
    assert "old" not in third and "new" in third and "fast" in third
    assert full_size.written(third, gpu).count("## ") == 2


def test_a_line_that_could_not_be_run_stays_empty(full_size):
    table = full_size.Table("sdxl", Namespace(narrow=False), torch.device("cpu"))
    table.lines = [
        full_size.Line(way="released: float32, one at a time", speed=0.5),
        full_size.Line(way="ours, float32, batch 8", speed=2.0, predicted=2**30),
        full_size.Line(way="diffusers, float32, batch 8", speed=float("nan")),
    ]
    lines = table.markdown().splitlines()
    assert "random weights, widths an eighth" in lines[0]
    assert lines[-2] == "| ours, float32, batch 8 | 2.00 | 4.00 |  |  | 1.00 |  |"
    assert lines[-1] == "| diffusers, float32, batch 8 |  |  |  |  |  |  |"


def test_a_student_s_progress_is_counted_in_cells(tmp_path):
    spec = importlib.util.spec_from_file_location("classroom", FOLDER / "classroom.py")
    spec.loader.exec_module(classroom := importlib.util.module_from_spec(spec))
    cells = [nbformat.v4.new_code_cell("1", execution_count=count) for count in (1, 2, None)]
    nbformat.write(
        nbformat.v4.new_notebook(cells=[*cells, nbformat.v4.new_markdown_cell("a")]),
        tmp_path / "a.ipynb",
    )
    assert classroom.progress(tmp_path / "a.ipynb") == "2 of 3 cells were run"
    assert classroom.progress(tmp_path / "b.ipynb") == "0 of 0 cells were run"
    assert classroom.megabytes(tmp_path) == (tmp_path / "a.ipynb").stat().st_size / 1e6
