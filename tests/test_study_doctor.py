"""``locolib doctor``: what it says of a model, and that its self-tests can fail."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from locolib import models
from locolib.__main__ import app
from locolib.study import doctor_command

NAMES = (
    "finite values",
    "no alteration is diffusers' own pipeline",
    "all layers altered are the target prompt",
    "a batch of 1 is a batch of 8",
)


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    monkeypatch.setattr(doctor_command, "STEPS", 2)


def doctor(*arguments):
    return CliRunner().invoke(app, ["doctor", *map(str, arguments)])


@pytest.mark.parametrize("name", ["mini-sd-v1-5", "mini-sdxl", "mini-deepfloyd"])
def test_every_family_passes(organisms, name):
    done = doctor(name)
    assert done.exit_code == 0, done.stdout
    lines = done.stdout.splitlines()
    passed = [line for line in lines if line.startswith("pass  ")]
    assert [line[6:].split(":")[0] for line in passed] == list(NAMES)
    told = models.load(name)
    layers = f"{told.spec.layers} cross-attention layers"
    for said in (
        told.source,
        told.fingerprint,
        layers,
        "GiB predicted by batch, 1: ",
        "an image at",
    ):
        assert any(said in line for line in lines), said
    assert lines[-1] == f"next: locolib localize {name} --attribute style"


def test_a_source_stands_in_the_command_to_run_next(organisms, tmp_path):
    place = shutil.copytree(organisms / "mini-sd-v1-5", tmp_path / "my copy")
    done = doctor("mini-sd-v1-5", "--source", place)
    assert done.exit_code == 0
    assert done.stdout.rstrip().endswith(f"--attribute style --source '{place}'")


def test_weights_that_are_no_numbers_fail_and_the_exit_code_says_so(organisms, tmp_path):
    place = shutil.copytree(organisms / "mini-sd-v1-5", tmp_path / "copy")
    file = place / "vae" / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    weights["decoder.conv_out.bias"] = torch.full((3,), torch.nan).half()
    save_file(weights, file, {"format": "pt"})
    done = doctor("mini-sd-v1-5", "--source", place)
    assert done.exit_code == 1
    assert (
        "FAIL  finite values: 1 weights are NaN or infinite, vae.decoder.conv_out.bias"
        in done.stdout
    )
    assert "FAIL  a batch of 1" in done.stdout and "next:" not in done.stdout


def test_altering_too_few_layers_is_not_the_target_prompt(organisms):
    model = models.load("mini-sd-v1-5")
    model = replace(model, spec=replace(model.spec, layers=3))
    assert [check.name for check in doctor_command.checks(model) if not check.good] == [NAMES[2]]


def test_another_way_of_guiding_is_not_diffusers_pipeline(organisms, monkeypatch):
    model = models.load("mini-sd-v1-5")
    monkeypatch.setattr(
        type(model), "guide", lambda self, predicted, guidance: predicted.chunk(2)[1]
    )
    failed = [check.name for check in doctor_command.checks(model) if not check.good]
    assert failed == [NAMES[1]]


def test_what_depends_on_the_batch_is_found(organisms, monkeypatch):
    model, own = models.load("mini-sd-v1-5"), doctor_command._Drawn.draw

    def draw(self, rows, batch=8):
        images = own(self, rows, batch)
        return np.roll(images, 7, axis=2) if batch == 1 and len(rows) > 1 else images

    monkeypatch.setattr(doctor_command._Drawn, "draw", draw)
    assert not list(doctor_command.checks(model))[-1].good
