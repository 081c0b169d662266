"""The live page's scripts, in a real browser, against what Python does: tokens, noise, sampler, scores, weights, words, state."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import CLIPTokenizer

from locolib import scores
from locolib.experiments.locogen import label, windows
from locolib.models import ORGANISMS
from locolib.models.schedules import scheduler
from locolib.study.live import choices, packing
from locolib.study.live.placing import WEB

TOKENIZER = ORGANISMS / "planted-sd-v1-5" / "tokenizer"


@pytest.fixture(scope="module")
def script(browser, served):
    """``script("noise.js", "noise(1, 16)")``: the value of an expression that a module's names may stand in."""
    base = served(WEB)
    page = browser.new_page()
    page.goto(f"{base}/live.css")

    def run(module: str, expression: str, given=None):
        code = (
            "async ({ module, expression, given }) => { const found = await import(module);"
            " return new Function('given', ...Object.keys(found), `return (${expression})`)(given, ...Object.values(found)); }"
        )
        asked = {"module": f"{base}/{module}", "expression": expression, "given": given}
        return page.evaluate(code, asked)

    yield run
    page.close()


TEXTS = [
    "a house in the style of van gogh",
    "R2D2, painted   by Monet",
    "it's 42 dogs' tails -- in a BEACH!",
    "naïve café 日本 🐘",
    "",
    "word " * 90,
    "a dog <|endoftext|> b",
]


def test_tokens_are_those_of_the_models_tokenizer(script):
    told = json.loads((TOKENIZER / "tokenizer.json").read_text())
    own = CLIPTokenizer.from_pretrained(TOKENIZER)
    texts = [
        *TEXTS,
        *(one["original"] for one in choices.ready()),
        *(one["spoken"] for one in choices.subjects()),
    ]
    expected = own(texts, padding="max_length", max_length=77, truncation=True).input_ids
    found = script(
        "tokenizer.js",
        "given.texts.map((text) => new Tokenizer(given.told).encode(text))",
        {"told": told, "texts": texts},
    )
    for text, one, other in zip(texts, found, expected, strict=True):
        assert one == other, text


@pytest.mark.parametrize("seed", [0, 1, 1000, 17000, 2**32 - 1])
@pytest.mark.parametrize("count", [16, 37, 512, 2048])
def test_noise_is_pytorchs(script, seed, count):
    expected = torch.randn(count, generator=torch.Generator().manual_seed(seed)).numpy()
    found = np.array(script("noise.js", f"[...noise({seed}, {count})]"))
    assert np.abs(found - expected).max() < 1e-5


@pytest.mark.parametrize("name", ["planted-sd-v1-5", "mini-sd-v1-5"])
@pytest.mark.parametrize("steps", [2, 7, 10, 50])
def test_the_sampler_is_ddim(script, name, steps):
    saved = json.loads((ORGANISMS / name / "scheduler" / "scheduler_config.json").read_text())
    ddim = scheduler(saved, "ddim", name)
    ddim.set_timesteps(steps)
    rng = np.random.default_rng(0)
    latents = rng.normal(size=16).astype("f4")
    predicted = [rng.normal(size=16).astype("f4") for _ in range(steps)]
    plan = script("sampler.js", f"schedule(given, {steps})", saved)
    assert [step["time"] for step in plan] == ddim.timesteps.tolist()
    ours = latents.tolist()
    theirs = torch.from_numpy(latents)
    for step, t, eps in zip(plan, ddim.timesteps, predicted):
        asked = {"x": ours, "p": eps.tolist(), "step": step, "kind": saved["prediction_type"]}
        told = script(
            "sampler.js",
            "(({ latents, clean }) => [[...latents], [...clean]])(stepped(given.x, given.p, given.step, given.kind))",
            asked,
        )
        made = ddim.step(torch.from_numpy(eps), t, theirs)
        theirs, ours = made.prev_sample, told[0]
        assert np.allclose(told[1], made.pred_original_sample.numpy(), rtol=1e-3, atol=1e-3)
    assert np.allclose(ours, theirs.numpy(), rtol=1e-3, atol=1e-3)


def test_guidance_is_the_librarys(script, _random_model):
    predicted = torch.randn(2, 5, generator=torch.Generator().manual_seed(3))
    found = script("sampler.js", "[...guided(given, 3)]", predicted.flatten().tolist())
    assert np.allclose(found, _random_model.guide(predicted, 3.0)[0].numpy(), atol=1e-6)
    assert script("sampler.js", "guided(given, 1)", [1, 2]) == [1, 2]


def test_shares_are_the_librarys(script):
    clean, altered, full = 80.0, 50.0, 40.0
    effects = scores.Effects(windows=np.array([[clean - altered]]), full=np.array([clean - full]))
    asked = f"share(effect({clean}, {altered}, 'style'), effect({clean}, {full}, 'style'))"
    assert script("scores.js", asked) == pytest.approx(scores.shares(effects)[0])
    assert (
        script("scores.js", "effect(40, 70, 'fact')") == 30
        and script("scores.js", "share(1, 0)") is None
    )
    one, two = np.array([0.6, 0.8]), np.array([1.0, 0.0])
    expected = float(scores.clip_score(one[None], two[None])[0])
    assert script("scores.js", "clipScore([1, 0], [-1, 0])") == 0
    assert script(
        "scores.js", "clipScore(given[0], given[1])", [one.tolist(), two.tolist()]
    ) == pytest.approx(expected)


def test_a_number_is_said_without_a_negative_zero(script):
    assert script("scores.js", "[said(-0.001), said(0.986), said(-0.12)]") == [
        "0.00",
        "0.99",
        "-0.12",
    ]


def test_windows_and_labels_are_the_librarys(script):
    assert script("scores.js", "windows(16, 2)") == [list(window) for window in windows(16, 2)]
    for layers in ([8, 9], [3], [3, 8, 9], [0, 2, 4]):
        assert script("scores.js", f"label({layers})").replace(" ", "") == label(
            tuple(layers)
        ).replace(" ", "")
        assert script("scores.js", "labelled(label(given), 16)", layers) == layers
    assert script("scores.js", "[labelled('16', 16), labelled('x', 16), labelled('none', 16)]") == [
        None,
        None,
        [],
    ]


@pytest.mark.parametrize("bits", [8, 16])
def test_weights_are_unpacked_as_python_does(script, bits):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(0, 0.1, size).astype("f4") for size in (3, 2049, 5, 4096)]
    data, kinds = packing.file(arrays, bits)
    found = script(
        "weights.js",
        "[...unpacked(Uint8Array.from(given.data).buffer, given.kinds)]",
        {"data": list(data), "kinds": kinds},
    )
    assert np.allclose(found, np.concatenate(packing.read(data, kinds)), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("server_unpacks", [False, True])
def test_a_file_is_unpacked_and_counted_as_it_came(browser, served, tmp_path, server_unpacks):
    shutil.copytree(WEB, tmp_path / "web")
    data = bytes(range(200)) * 50
    sent = data if server_unpacks else packing.zipped(data)
    (tmp_path / "web" / "a-1.bin.gz").write_bytes(sent)
    page = browser.new_page()
    page.goto(f"{served(tmp_path / 'web')}/live.css")
    found = page.evaluate(
        """async () => { const { Files } = await import("./files.js"), files = new Files(new URL("./", location));
        return [[...await files.bytes("a-1.bin.gz")], files.loaded]; }"""
    )
    assert bytes(found[0]) == data and found[1] == len(sent)
    assert packing.zipped(data) == packing.zipped(data) and len(packing.zipped(data)) < 1000


def test_an_edit_is_a_change_of_the_projection(script):
    """K + scale * states @ delta', head by head, is K of the edited matrix."""
    rng = np.random.default_rng(0)
    heads, tokens, d, width = 2, 5, 3, 4
    states, weight, delta = (
        rng.normal(size=(tokens, width)),
        rng.normal(size=(heads * d, width)),
        rng.normal(size=(heads * d, width)),
    )

    def split(matrix):
        return (states @ matrix.T).reshape(tokens, heads, d).transpose(1, 0, 2)

    asked = {
        "part": split(weight).ravel().tolist(),
        "states": states.ravel().tolist(),
        "delta": delta.ravel().tolist(),
        "shape": {"heads": heads, "tokens": tokens, "width": width},
    }
    found = script(
        "memory.js", "[...edited(given.part, given.states, given.delta, -0.5, given.shape)]", asked
    )
    assert np.allclose(found, split(weight - 0.5 * delta).ravel(), atol=1e-5)
    dropped = script("memory.js", "[...dropped(given.part, [0, 4], given.shape)]", asked)
    expected = split(weight).copy()
    expected[0, :, 0] = expected[1, :, 1] = 0
    assert np.allclose(dropped, expected.ravel(), atol=1e-6)


# --- words and address


@pytest.mark.parametrize(
    "choice, attribute, prompt, target, kind",
    [
        (
            ("house", "van gogh", ""),
            "style",
            "a house in the style of van gogh",
            "a painting of a house",
            "style",
        ),
        (("cat", "", "beach"), "place", "a cat in a beach", "a cat", "place"),
        (("snoopy", "", ""), "object", "snoopy", "a dog", "object"),
        (
            ("british monarch", "painting", ""),
            "object",
            "a painting of the british monarch",
            "a painting of prince charles",
            "fact",
        ),
        (
            ("dog", "monet", "city"),
            "object",
            "a dog in a city in the style of monet",
            "a cat in a city in the style of monet",
            "object",
        ),
    ],
    ids=lambda value: str(value)[:20],
)
def test_menus_make_the_papers_prompts(script, choice, attribute, prompt, target, kind):
    given = {
        "world": choices.offered(),
        "choice": dict(zip(("subject", "manner", "place"), choice)),
    }
    assert script("words.js", "worded(given.choice, given.world)", given) == prompt
    assert script("words.js", f"aimed(given.choice, '{attribute}', given.world)", given) == {
        "attribute": kind,
        "target": target,
    }


def test_unknown_words_are_named(script):
    given = {"world": choices.offered()}
    assert script(
        "words.js", "unknown('a Photorealistic house, r2d2 by Rembrandt', given.world)", given
    ) == ["photorealistic", "rembrandt"]


MANIFEST = {
    "seed": 1000,
    "world": {"ready": [{"original": "a", "target": "b"}]},
    "models": {
        name: {
            "guidance": 3,
            "steps": 10,
            "layers": [0] * 16,
            "edits": {"monet": {}},
            "neurons": {"monet": []},
        }
        for name in ("one", "two")
    },
}


def test_an_address_says_the_whole_state(script):
    given = {
        "manifest": MANIFEST,
        "state": {
            "model": "two",
            "guidance": 4.5,
            "steps": 12,
            "seed": 7,
            "layers": [3, 8, 9],
            "edit": "monet",
            "scale": -0.5,
            "neurons": "monet",
            "dropped": 20,
            "attribute": "place",
            "prompt": "a & b",
            "target": "ü #",
        },
    }
    assert (
        script(
            "state.js", "read(written(given.state), given.manifest, initial(given.manifest))", given
        )
        == given["state"]
    )


def test_an_address_that_says_nonsense_is_passed_over(script):
    first = script("state.js", "initial(given)", MANIFEST)
    wrong = "#model=three&layers=99&seed=-1&steps=1.5&guidance=x&edit=nobody&scale=7&attribute=age&prompt=%20"
    assert script("state.js", f"read({wrong!r}, given, initial(given))", MANIFEST) == first


def test_every_script_is_a_module_of_its_own_and_short():
    for path in sorted(Path(WEB).glob("*.js")):
        lines = path.read_text().splitlines()
        assert lines[0].startswith("// ") and len(lines) <= 300, path.name
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")  # a name, never fetched
        assert "http:" not in text and "https:" not in text, path.name
