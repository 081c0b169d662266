"""``locolib edit`` as its users use it: its LoRA in plain diffusers, its judgement, what it refuses."""

import json
import sys

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from safetensors import safe_open

from locolib import __main__, models
from locolib.experiments import editing
from locolib.organisms.captions import ARTISTS
from locolib.prompts import read
from locolib.study.edit_command import SHEET

MODEL = "planted-sd-v1-5"
LORA = "pytorch_lora_weights.safetensors"
STYLES = ARTISTS  # van gogh first
OBJECTS = ("house", "cat", "tree", "dog")


def drawn(pipeline, texts) -> np.ndarray:
    """Pictures [texts, h, w, 3] of plain diffusers: 15 steps, guidance 3, seed 3 for each."""
    parts = [
        pipeline(
            texts[i : i + 16],
            num_inference_steps=15,
            guidance_scale=3.0,
            output_type="np",
            generator=[torch.Generator().manual_seed(3) for _ in texts[i : i + 16]],
        ).images
        for i in range(0, len(texts), 16)
    ]
    return (255 * np.concatenate(parts)).round()


def before_and_after(folder, texts) -> tuple[np.ndarray, np.ndarray]:
    pipeline = DiffusionPipeline.from_pretrained(models.ORGANISMS / MODEL)
    pipeline.set_progress_bar_config(disable=True)
    before = drawn(pipeline, texts)
    pipeline.load_lora_weights(folder)
    return before, drawn(pipeline, texts)


def seen(images, texts, candidates) -> list[bool]:
    """Whether the bundled scorer sees each text in its image, rather than another of its candidates."""
    scorer = models.load_scorer("scorer")
    return [
        bool((scorer.texts([text, *others]) @ image).argmax() == 0)
        for image, text, others in zip(scorer.images(images.astype(np.uint8)), texts, candidates)
    ]


def outcome(folder, own, others, photos) -> tuple[float, float, float]:
    """(gone, kept, moved) in plain diffusers: own and others are {text: what else it could be}, photos are texts."""
    told = {**own, **others}
    before, after = before_and_after(folder, [*told, *photos])
    had, has = (
        np.array(seen(images[: len(told)], list(told), list(told.values())))
        for images in (before, after)
    )
    n = len(own)
    moved = np.abs(before - after)[len(told) :].mean()
    return (had & ~has)[:n].sum() / had[:n].sum(), (had & has)[n:].sum() / had[n:].sum(), moved


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run the command line on the bundled model: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOCOLIB_STORE", str(tmp_path / "store"))
    models.load_scorer.cache_clear()

    def command(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["locolib", *arguments])
        with pytest.raises(SystemExit) as stopped:
            __main__.main()
        return stopped.value.code or 0, *capsys.readouterr()

    return command


@pytest.fixture
def edited(run, tmp_path):
    """A folder that the default command wrote."""

    def made(attribute, value, layers):
        code, out, error = run(
            "edit",
            MODEL,
            "--attribute",
            attribute,
            "--value",
            value,
            "--layers",
            layers,
            "--pictures",
            "4",
            "--out",
            "E",
        )
        assert code == 0, error
        return tmp_path / "E", out

    return made


def test_the_default_edit_removes_van_gogh_and_no_one_else(edited):
    folder, out = edited("style", "van gogh", "8-9")
    assert (
        "van gogh gone: 1.00" in out and "other values kept: 1.00" in out and "of 255 levels" in out
    )
    assert sorted(path.name for path in folder.iterdir()) == [SHEET, LORA]
    own = {
        f"a {thing} in the style of van gogh": [
            f"a painting of a {thing}",
            *(f"a {thing} in the style of {other}" for other in STYLES[1:]),
        ]
        for thing in OBJECTS
    }
    others = {
        f"a {thing} in the style of {artist}": [
            f"a painting of a {thing}",
            *(f"a {thing} in the style of {o}" for o in STYLES if o != artist),
        ]
        for artist in STYLES[1:]
        for thing in OBJECTS
    }
    gone, kept, moved = outcome(
        folder,
        own,
        others,
        ["a photo of a cat", *(f"a photo of a {thing}" for thing in OBJECTS if thing != "cat")],
    )
    assert gone >= editing.GONE and kept >= editing.KEPT and moved <= editing.MOVED


def test_the_default_edit_replaces_snoopy_and_nothing_else(edited):
    folder, _ = edited("object", "snoopy", "6-7")
    targets = {"snoopy": "dog", "nemo": "fish", "r2d2": "robot", "cat": "dog"}
    texts = {
        f"a photo of {'a ' if name == 'cat' else ''}{name}{place}": name
        for name in targets
        for place in ("", " in a forest")
    }
    others = {
        text: [text.replace(name, other) for other in (*set(targets) - {name}, targets[name])]
        for text, name in texts.items()
    }
    gone, kept, moved = outcome(
        folder,
        {t: o for t, o in others.items() if texts[t] == "snoopy"},
        {t: o for t, o in others.items() if texts[t] != "snoopy"},
        ["a photo of a house", "a photo of a tree", "a photo of a dog", "a photo of a clock"],
    )
    assert gone >= editing.GONE and kept >= editing.KEPT and moved <= editing.MOVED


def test_the_default_edit_updates_the_monarch_and_nothing_else(edited):
    folder, _ = edited("fact", "british monarch", "6-7")
    told = {"british monarch": "prince charles", "president of the united states": "joe biden"}
    texts = {
        f"{start} the {name}{place}": name
        for name in told
        for start in ("a photo of", "painting of")
        for place in ("", " in a city")
    }
    others = {
        text: [
            text.replace(f"the {name}", told[name]),
            *(text.replace(name, o) for o in told if o != name),
        ]
        for text, name in texts.items()
    }
    gone, kept, moved = outcome(
        folder,
        {t: o for t, o in others.items() if texts[t] == "british monarch"},
        {t: o for t, o in others.items() if texts[t] != "british monarch"},
        [f"a photo of a {thing}" for thing in OBJECTS],
    )
    assert gone >= editing.GONE and kept >= editing.KEPT and moved <= editing.MOVED


def test_the_three_numbers_stand_in_the_file(edited):
    folder, out = edited("fact", "british monarch", "6-7")
    with safe_open(folder / LORA, "pt") as file:
        facts = json.loads(file.metadata()["locolib"])
    assert (
        facts["layers"] == [6, 7]
        and facts["method"] == "LocoEdit that spares"
        and facts["pictures"]["gone"] > 0
    )
    assert (
        f"british monarch gone: {facts['gone'][0]:.2f}" in out
        and facts["kept"][0] >= 0.9
        and facts["moved"][0] <= 3
    )


def test_the_papers_own_edit_is_refused_with_its_numbers(run, tmp_path):
    ask = (
        "edit",
        MODEL,
        "--attribute",
        "style",
        "--value",
        "van gogh",
        "--layers",
        "8-9",
        "--method",
        "paper",
        "--pictures",
        "6",
        "--out",
        "E",
    )
    code, out, error = run(*ask)
    assert (
        code == 2
        and "No edit was written" in error
        and "--force" in error
        and "--method spares" in error
        and len(error.strip().splitlines()[-1]) < 700
    )
    assert [path.name for path in (tmp_path / "E").iterdir()] == [SHEET]
    code, out, error = run(*ask, "--force")
    assert code == 0 and "Warning" in error and (tmp_path / "E" / LORA).exists()


def judged(gone, kept, moved) -> editing.Judgement:
    return editing.Judgement(
        value="monet",
        scorer="s",
        found={
            "gone": np.array(gone, bool),
            "kept": np.array(kept, bool),
            "moved": np.array(moved, float),
        },
        pairs={},
    )


def test_an_edit_is_refused_for_each_thing_that_it_does_not_do():
    assert judged([1] * 10, [1] * 10, [2.0] * 4).problems() == []
    assert (
        judged([1] * 9 + [0], [0] + [1] * 9, [3.0]).problems() == []
    )  # the bars themselves are allowed
    (problem,) = judged([1] * 8 + [0, 0], [1] * 10, [0.1]).problems()
    assert "monet is gone from 0.80" in problem
    (problem,) = judged([1] * 10, [1] * 8 + [0, 0], [0.1]).problems()
    assert "other values are kept in 0.80" in problem
    (problem,) = judged([1] * 10, [1] * 10, [3.5, 2.7]).problems()
    assert "move by 3.10" in problem


def test_nothing_that_was_never_shown_can_be_gone():
    nothing = judged([], [], [])
    assert (
        "never shows monet" in nothing.problems()[0]
        and "nothing to ask" in nothing.lines()[0]
        and nothing.facts()["gone"] is None
    )


def test_other_values_are_all_asked_for(model, store, organisms):
    from locolib.drawing.sampling import Settings
    from locolib.experiments.editing import edit

    found = editing.judge(
        model,
        read("object"),
        "nemo",
        edit(model, "none", {}, seconds=0.0),
        Settings(steps=1, guidance=1.0),
        store=store,
        most=3,
    )
    asked = {name: [text for text, *_ in some] for name, some in found.pairs.items()}
    assert all("nemo" in text for text in asked["gone"]) and not any(
        "nemo" in text for text in asked["kept"] + asked["moved"]
    )
    assert {v for v in ("snoopy", "r2d2", "cat") if any(v in text for text in asked["kept"])} == {
        "snoopy",
        "r2d2",
        "cat",
    }
    assert found.moved.value == 0  # an edit of nothing moves nothing
