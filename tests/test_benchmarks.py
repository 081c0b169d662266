"""Benchmarks as far as seconds go: what they measure fits the model, and a model that cannot be measured is one sentence."""

import importlib.util
import sys
from pathlib import Path

import pytest

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
    assert {layer for row in sweep.plan(layers, layers) for change in row.changes for layer in change.layers} == set(range(layers))


@pytest.mark.parametrize("name, words", [("mini-deepfloyd", "takes no latents"), ("sd-v9", "Unknown model")])
def test_a_model_that_cannot_be_compared_is_one_sentence(sweep, monkeypatch, capsys, name, words):
    monkeypatch.setattr(sys, "argv", ["sweep.py", "--model", name])
    with pytest.raises(SystemExit):
        sweep.main()
    assert words in capsys.readouterr().err
