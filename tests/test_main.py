"""The command line as a user runs it: what it prints, and one message with exit code 2 for every mistake."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rounding import assert_same_picture
from safetensors import safe_open

import locolib
from locolib import __main__

MODEL = "planted-sd-v1-5"
CONFIGS = Path(locolib.__file__).parent / "organisms" / "configs"


@pytest.fixture
def run(organisms, tmp_path, monkeypatch, capsys):
    """Run the command line in this process: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOCOLIB_STORE", str(tmp_path / "store"))

    def command(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["locolib", *arguments])
        with pytest.raises(SystemExit) as stopped:
            __main__.main()
        return stopped.value.code or 0, *capsys.readouterr()

    return command


def test_models(run):
    code, out, _ = run("models")
    assert (
        code == 0
        and MODEL in out
        and "stable-diffusion-v1-5/stable-diffusion-v1-5" in out
        and "bundled    here" in out
    )


def test_layers(run):
    code, out, _ = run("layers", MODEL)
    lines = out.splitlines()
    assert code == 0 and len(lines) == 17 and "mid_block" in lines[7] and "1x1" in lines[7]


def test_generate_writes_a_grid(run, tmp_path):
    code, out, _ = run(
        "generate",
        MODEL,
        "a cat",
        "a dog",
        "--seed",
        "1",
        "--seed",
        "2",
        "--seed",
        "3",
        "--steps",
        "1",
        "--out",
        "new/grid.png",
    )
    assert code == 0 and Image.open(tmp_path / "new/grid.png").size == (192, 128)


def test_generate_alters_layers(run, tmp_path):
    run("generate", MODEL, "a cat", "--steps", "2", "--alter", "0-15:a dog", "--out", "altered.png")
    run("generate", MODEL, "a dog", "--steps", "2", "--out", "target.png")
    run("generate", MODEL, "a cat", "--steps", "2", "--out", "clean.png")
    altered, target, clean = (
        np.asarray(Image.open(tmp_path / f"{n}.png")) for n in ("altered", "target", "clean")
    )
    assert_same_picture(altered, target)
    assert not np.array_equal(altered, clean)


@pytest.fixture
def computing(monkeypatch):
    """What the commands leave in the environment for what they start is gone after a test."""
    for name in ("LOCOLIB_DEVICE", "LOCOLIB_DTYPE", "LOCOLIB_COMPILE"):
        monkeypatch.setenv(name, "auto")


def test_a_type_of_numbers_is_asked_for(run, computing, tmp_path):
    for kind in ("float32", "bfloat16"):
        code, _, _ = run(
            *("generate", MODEL, "a cat", "--steps", "2", "--device", "cpu", "--dtype", kind),
            *("--compile", "off", "--out", f"{kind}.png"),
        )
        assert code == 0 and os.environ["LOCOLIB_DTYPE"] == kind, "notebooks inherit it"
    full, half = (
        np.asarray(Image.open(tmp_path / f"{kind}.png")).astype(int)
        for kind in ("float32", "bfloat16")
    )
    assert 0 < np.abs(full - half).mean() < 16


@pytest.mark.parametrize(
    "command",
    [
        ("layers", MODEL),
        ("generate", MODEL, "a cat"),
        ("localize", MODEL, "--attribute", "style"),
        ("edit", MODEL, "--attribute", "style", "--value", "monet", "--out", "new"),
        ("study",),
    ],
    ids=lambda command: command[0],
)
@pytest.mark.parametrize(
    "option, value, words",
    [
        ("--device", "tpu", "Unknown device 'tpu'"),
        ("--dtype", "int8", "Unknown type of numbers 'int8'"),
        ("--device", "mps", "has no device 'mps'"),
    ],
)
def test_a_device_or_a_type_that_there_is_not_is_one_sentence(
    run, computing, monkeypatch, command, option, value, words
):
    monkeypatch.setattr("locolib.models.precision.is_there", lambda kind: kind == "cpu")
    code, _, err = run(*command, option, value)
    assert code == 2 and words in err and len(err.splitlines()) == 1


def test_localize_prints_one_json_object(run):
    code, out, _ = run(
        "localize", MODEL, "--attribute", "style", "--m", "2", "--profile", "smoke", "--json"
    )
    answer = json.loads(out)
    assert (
        code == 0
        and {"model", "attribute", "start", "m", "share", "low", "high", "verdict"} <= answer.keys()
    )
    assert answer["m"] == 2 and answer["verdict"] in (
        "localised",
        "not localised",
        "no effect",
        "inconclusive",
    )


def test_localize_prints_a_table_with_a_chart_and_what_it_will_cost(run):
    code, out, _ = run("localize", MODEL, "--attribute", "fact", "--profile", "smoke")
    assert code == 0 and "minutes" in out and "6-7" in out and "argmax" in out
    code, out, _ = run("clean")
    assert code == 0 and f"{MODEL}-fact" in out and "MB" in out
    name = out.split()[0]
    assert run("clean", name)[0] == 0 and name not in run("clean")[1]


def test_localize_proposes_by_a_backward_pass_and_confirms_by_pictures(run):
    fast = ("localize", MODEL, "--attribute", "object", "--profile", "smoke", "--method")
    code, out, _ = run(*fast, "fast")
    assert code == 0 and "they add up to 1 but for" in out and "UNet rows" in out
    code, out, _ = run(*fast, "sets", "--json")
    answer = json.loads(out)
    assert code == 0 and len(answer["predicted"]) == 16 and abs(answer["gap"]) <= 0.05
    assert sum(answer["predicted"]) == pytest.approx(1, abs=answer["gap"] + 0.001)


def test_localize_refuses_methods_that_do_not_go_together(run):
    for more, said in (
        (("--method", "guess"), "--method must be one of sweep, fast, sets"),
        (("--method", "fast", "--m", "2"), "leave out --m and --search"),
        (("--search", "--m", "2"), "Give either --m or --search"),
    ):
        code, _, err = run("localize", MODEL, "--attribute", "style", *more)
        assert code == 2 and said in err


EDIT = ("edit", MODEL, "--attribute", "style", "--value", "van gogh", "--out", "new")


def test_edit_writes_a_lora(run, tmp_path):
    code, out, _ = run(*EDIT, "--layers", "8-9", "--tokens", "onward", "--pictures", "1", "--force")
    assert code == 0 and "layers 8-9" in out and "condition number" in out and "LoRA of rank" in out
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "before_after.png",
        "pytorch_lora_weights.safetensors",
    ]


def test_edit_writes_a_pipeline(run, tmp_path):
    code, out, _ = run(*EDIT, "--layers", "all", "--as", "pipeline", "--pictures", "1", "--force")
    assert code == 0 and (tmp_path / "new" / "model_index.json").exists()
    with safe_open(tmp_path / "new" / "unet" / "diffusion_pytorch_model.safetensors", "pt") as file:
        assert (
            file.metadata()["format"] == "pt"
            and json.loads(file.metadata()["locolib"])["value"] == "van gogh"
        )
    assert run("layers", MODEL, "--source", "new")[0] == 0


@pytest.mark.parametrize(
    "arguments, words",
    [
        ((*EDIT, "--as", "pickle"), ("lora, kohya, pipeline", "pickle")),
        ((*EDIT, "--layers", "15-16"), ("Layer 16", "0 to 15")),
        ((*EDIT, "--layers", "some"), ("auto, all, or layers", "some")),
        ((*EDIT, "--tokens", "first"), ("first", "subject, last, onward, eos, all")),
        ((*EDIT, "--lambda", "0"), ("above 0",)),
        ((*EDIT, "--method", "magic"), ("spares, locoedit, paper", "magic")),
        ((*EDIT, "--method", "paper", "--tokens", "eos"), ("--method locoedit", "eos")),
        ((*EDIT, "--pictures", "0"), ("at least 1",)),
        (
            ("edit", MODEL, "--attribute", "style", "--value", "rembrandt", "--out", "new"),
            ("rembrandt", "van gogh"),
        ),
        (("layers", "sd-v9"), ("sd-v9", MODEL, "sd-v1-5")),
        (("localize", MODEL, "--attribute", "colour"), ("colour", "style, object, fact, place")),
        (
            ("localize", MODEL, "--attribute", "style", "--profile", "slow"),
            ("slow", "smoke, quick, paper"),
        ),
        (("localize", MODEL, "--attribute", "style", "--m", "0"), ("from 1 to 16", "not 0")),
        (("localize", MODEL, "--attribute", "style", "--m", "17"), ("from 1 to 16", "not 17")),
        (
            ("localize", MODEL, "--attribute", "style", "--m", "2", "--search"),
            ("either --m or --search",),
        ),
        (
            ("localize", MODEL, "--attribute", "style", "--prompts", "none.csv"),
            ("none.csv", "original, target"),
        ),
        (
            ("localize", "sd-v1-5", "--attribute", "style", "--source", "nowhere"),
            ("nowhere", "model_index.json"),
        ),
        (("generate", MODEL, "a cat", "--alter", "8-9"), ("LAYERS:PROMPT", "8-9")),
        (("generate", MODEL, "a cat", "--alter", "15-16:a dog"), ("Layer 16", "0 to 15")),
        (("generate", MODEL, "a cat", "--steps", "0"), ("from 1 to 999",)),
        (("generate", MODEL, "a cat", "--steps", "1000"), ("from 1 to 999",)),
        (("train", "none.toml"), ("none.toml", MODEL)),
        (("clean", "no-such-run"), ("no-such-run",)),
        (("study", "--profile", "slow"), ("slow", "smoke, quick, paper")),
        (("study", "--model", "sd-v9"), ("sd-v9", MODEL)),
        (("localize", MODEL), ("attribute",)),
        (("nonsense",), ("nonsense",)),
    ],
    ids=lambda value: (
        "-".join(value)[:50]
        if isinstance(value, tuple)
        and value[0]
        in ("edit", "layers", "localize", "generate", "train", "clean", "study", "nonsense")
        else ""
    ),
)
def test_a_mistake_is_one_message_and_exit_code_2(run, arguments, words):
    code, _, err = run(*arguments)
    assert code == 2 and "Traceback" not in err
    for word in words:
        assert word in err


@pytest.mark.parametrize(
    "arguments, words",
    [
        ((*EDIT, "--out", "file"), "file is a file, where a folder is needed"),
        ((*EDIT, "--out", "file/new"), "file is a file, where a folder is needed"),
        (
            ("generate", MODEL, "a cat", "--out", "grid"),
            "must end in .png or .jpg or .jpeg; write grid.png",
        ),
        (
            ("generate", MODEL, "a cat", "--out", "folder"),
            "folder is a folder; name a file in it, such as folder/NAME.png",
        ),
        (("generate", MODEL, "a cat", "--out", "file/grid.png"), "file is a file"),
        (
            ("rate", "page", "--out", "folder"),
            "folder is a folder; name a file in it, such as folder/NAME.html",
        ),
        (("rate", "page", "--out", "page"), "write page.html"),
        (("train", str(CONFIGS / f"{MODEL}.toml"), "--out", "file"), "file is a file"),
        (("train", str(CONFIGS / f"{MODEL}.toml"), "--work", "file"), "file is a file"),
    ],
    ids=lambda value: "-".join(value)[-40:] if isinstance(value, tuple) else "",
)
def test_an_out_that_cannot_be_written_is_refused_before_anything_is_loaded(
    run, tmp_path, monkeypatch, arguments, words
):
    monkeypatch.setattr("locolib.models.load", lambda *_, **__: pytest.fail("a model was loaded"))
    monkeypatch.setattr(
        "locolib.organisms.recipe._text_encoder", lambda *_: pytest.fail("training began")
    )
    (tmp_path / "file").write_text("kept")
    (tmp_path / "folder").mkdir()
    code, _, err = run(*arguments)
    assert code == 2 and words in err and len(err.strip().splitlines()) == 1
    assert (tmp_path / "file").read_text() == "kept" and not list((tmp_path / "folder").iterdir())


def test_a_broken_checkpoint_is_one_sentence(run, organisms, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(organisms / MODEL, broken)
    (broken / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"not weights")
    code, _, err = run("layers", MODEL, "--source", str(broken))
    assert code == 2 and "Cannot load" in err and len(err.strip().splitlines()) == 1


def test_a_missing_bundled_model_says_how_to_get_it_back(tmp_path):
    command = [sys.executable, "-m", "locolib", "layers", MODEL]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=os.environ | {"LOCOLIB_ORGANISMS": str(tmp_path)},
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "git checkout" in done.stderr and f"make train MODEL={MODEL}" in done.stderr


def test_a_published_checkpoint_offline_does_not_hang(tmp_path):
    command = [sys.executable, "-m", "locolib", "layers", "sd-v1-5"]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 2 and "--source" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "text, layers", [("8:x", (8,)), ("8-9:x", (8, 9)), ("0,4-5:x: y", (0, 4, 5))]
)
def test_alterations_are_read(text, layers):
    assert __main__.parse_alteration(text)[0] == layers


def test_a_prompt_in_other_letters_under_an_ascii_locale(organisms, tmp_path):
    """Whether it is a word of the command or of what is printed; a word that is no UTF-8 is one sentence."""
    environment = os.environ | {
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "LOCOLIB_ORGANISMS": str(organisms),
        "LOCOLIB_STORE": str(tmp_path / "store"),
    }

    def run(prompt: bytes):
        command = [sys.executable, "-m", "locolib", "generate", MODEL, prompt, "--steps", "1"]
        out = str(tmp_path / "bild-é.png").encode()
        return subprocess.run([*command, b"--out", out], capture_output=True, env=environment)

    done = run("un café".encode())
    assert done.returncode == 0 and "bild-é.png: 1 rows".encode() in done.stdout
    done = run(b"un caf\xe9")
    assert done.returncode == 2 and b"is not written in UTF-8" in done.stderr
    assert b"Traceback" not in done.stderr
