"""The live page's export: graphs agree with PyTorch, packed weights with what was packed, and what is offered is known."""

import gzip
import hashlib
import json
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from locolib import UserError, models
from locolib.drawing.memory import Altered, Row, TextMemory
from locolib.experiments import locogen
from locolib.experiments.locogen import Request
from locolib.models import load_scorer
from locolib.store import Store
from locolib.study.live import answers, changes, choices, export, graphs, packing, parts, runtime

NAMES = ("text", "memory", "unet", "decoder")


def answer(graph: graphs.Graph, feeds: dict, folder) -> list[np.ndarray]:
    """What onnxruntime makes of a graph and its weights in float32."""
    runner = pytest.importorskip("onnxruntime")
    data = b"".join(array.astype("<f4").tobytes() for array in graph.weights)
    (folder / graphs.WEIGHTS).write_bytes(data)
    (folder / "graph.onnx").write_bytes(graph.data)
    options = runner.SessionOptions()
    options.intra_op_num_threads = 1
    session = runner.InferenceSession(
        folder / "graph.onnx", options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, feeds)


def feeds_of(part: parts.Part) -> dict[str, np.ndarray]:
    """A part's own example as onnxruntime takes it; latents are noise, not zeros."""
    flat = [v for value in part.inputs for v in (value if isinstance(value, list) else [value])]
    drawn = [
        torch.randn(v.shape, generator=torch.Generator().manual_seed(i)) if name == "latents" else v
        for i, (v, name) in enumerate(zip(flat, part.names))
    ]
    return dict(zip(part.names, (v.numpy() for v in drawn)))


def own(part: parts.Part, feeds: dict) -> list[np.ndarray]:
    """What PyTorch makes of the same."""
    values = [torch.from_numpy(feeds[name]) for name in part.names]
    if part.name == "unet":
        half = (len(values) - 2) // 2
        values = [*values[:2], values[2 : 2 + half], values[2 + half :]]
    with torch.no_grad():
        made = part.module(*values)
    return [v.numpy() for v in (made if isinstance(made, tuple) else (made,))]


@pytest.fixture(scope="module", params=["random", pytest.param("bundled", marks=pytest.mark.slow)])
def model(request):
    if request.param == "bundled":
        return models.load("planted-sd-v1-5", device="cpu", dtype="float32")
    return request.getfixturevalue("_random_model")


@pytest.fixture
def random_model(_random_model):
    return _random_model


@pytest.mark.parametrize("name", NAMES)
def test_a_graph_agrees_with_pytorch(model, name, tmp_path):
    for part in parts.parts(model):
        if part.name == name:
            feeds = feeds_of(part)
            made = answer(graphs.exported(part), feeds, tmp_path)
            for one, other in zip(made, own(part, feeds), strict=True):
                assert np.abs(one - other).max() < 1e-3


@pytest.mark.parametrize("name", ["look", "read"])
def test_the_scorers_graphs_agree_with_it(name, tmp_path):
    scorer = load_scorer("scorer")
    part = next(part for part in parts.scorer_parts(scorer, 64) if part.name == name)
    graph = graphs.exported(part)
    if name == "read":
        made = answer(graph, {"ids": scorer.tokenizer(["a dog in a city"]).numpy()}, tmp_path)[0]
        assert np.abs(made - scorer.texts(["a dog in a city"])).max() < 1e-3
        return
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    levels = images.transpose(0, 3, 1, 2).astype("f4")
    assert (
        np.abs(answer(graph, {"levels": levels}, tmp_path)[0] - scorer.images(images)).max() < 1e-3
    )


def test_a_graph_takes_any_number_of_rows_and_each_layers_own_text(random_model, tmp_path):
    """Three rows of which one reads another prompt in some layers: the graph does what the library's memory says."""
    rows = [Row(prompt="a cat", seed=i, negative="a dog") for i in range(2)]
    rows.append(Row(prompt="a cat", seed=2, changes=(Altered(layers=(3, 8), prompt="a town"),)))
    keys, values, _ = TextMemory(random_model).gather(rows, guided=False)
    latents = torch.stack([random_model.noise(random_model.generator(row.seed)) for row in rows])
    part = next(part for part in parts.parts(random_model) if part.name == "unet")
    told = [latents, torch.tensor([321.0]), *keys, *values]
    feeds = {name: value.numpy() for name, value in zip(part.names, told)}
    for part in parts.parts(random_model):  # the UNet reads from memory while its part is in use
        if part.name == "unet":
            made, expected = answer(graphs.exported(part), feeds, tmp_path)[0], own(part, feeds)[0]
    assert made.shape[0] == 3 and np.abs(made - expected).max() < 1e-3


def test_equal_architectures_share_a_graph(random_model):
    """A graph holds no weights: another model of the same shape has the same file, and needs no tracing."""
    one = next(part for part in parts.parts(random_model) if part.name == "memory")
    before = graphs.exported(one)
    assert before.whole and all(source for source, _ in before.sources)
    weights = [site.to_v.weight for site in one.module.sites]
    with torch.no_grad():
        for weight in weights:
            weight.mul_(2)
        after, again = graphs.exported(one), graphs.reweighed(before, one)
        for weight in weights:
            weight.div_(2)
    assert before.data == after.data == again.data
    assert all(np.array_equal(a, b) for a, b in zip(after.weights, again.weights, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(before.weights, again.weights))


def test_a_graph_in_which_equal_weights_were_merged_is_traced_again(random_model):
    """An untrained text encoder's norms are all alike and become one tensor: another model's would be lost."""
    text = next(part for part in parts.parts(random_model) if part.name == "text")
    graph = graphs.exported(text)
    assert not graph.whole and graphs.reweighed(graph, text) is None


# --- packed weights


@pytest.mark.parametrize("count", [1, 63, 64, 65, 4097])
@pytest.mark.parametrize("kind", [packing.HALF, packing.BYTE])
def test_what_is_packed_is_unpacked(count, kind):
    array = np.random.default_rng(count).normal(0, 0.05, count).astype("f4")
    data = packing.packed(array, kind)
    assert len(data) == packing.length(count, kind) and len(data) % 2 == 0
    found = packing.unpacked(data + b"more", count, kind)
    step = np.abs(array).max() / 127
    assert np.abs(found - array).max() <= (step * 0.51 if kind else np.abs(array).max() * 2**-10)


def test_more_bits_are_nearer():
    array = np.random.default_rng(0).normal(size=8192).astype("f4")
    errors = [
        np.abs(packing.unpacked(packing.packed(array, kind), 8192, kind) - array).mean()
        for kind in (packing.BYTE, packing.HALF)
    ]
    assert errors[1] < errors[0] / 10


def test_zeros_and_tiny_numbers_are_no_nan():
    array = np.concatenate([np.zeros(64), np.full(64, 1e-9)]).astype("f4")
    assert (
        np.abs(packing.unpacked(packing.packed(array, packing.BYTE), 128, packing.BYTE)).max()
        <= 1e-9
    )


def test_few_numbers_keep_sixteen_bits():
    arrays = [np.ones(3, "f4"), np.ones((64, 64), "f4")]
    data, kinds = packing.file(arrays, 8)
    assert kinds == [(3, packing.HALF), (4096, packing.BYTE)]
    for found, array in zip(packing.read(data, kinds), arrays, strict=True):
        assert np.abs(found - array.ravel()).max() < 1e-3
    assert packing.file(arrays, 16)[1] == [(3, packing.HALF), (4096, packing.HALF)]


# --- what is offered


def test_all_that_is_offered_is_in_known_words():
    offered = choices.offered()
    texts = [text for one in offered["ready"] for text in (one["original"], one["target"])]
    texts += [one["spoken"] for one in offered["subjects"]]
    texts += [*offered["artists"], *offered["places"], "a painting of in the style of"]
    known = set(offered["words"])
    assert [w for text in texts for w in choices.WORD.findall(text.lower()) if w not in known] == []
    assert "photorealistic" not in known and len(offered["subjects"]) == 40


def test_subjects_have_their_article():
    spoken = {one["name"]: one["spoken"] for one in choices.subjects()}
    assert spoken["elephant"] == "an elephant" and spoken["house"] == "a house"
    assert choices.swaps("fact")["british monarch"] == "prince charles"


# --- what was found beforehand


def test_shares_made_beforehand_are_the_sweeps(random_model, monkeypatch):
    """Each prompt's effect of each window over that of all layers; none where that hardly moves the score."""
    monkeypatch.setattr(answers, "READY", {"style": 6})
    asked = answers.asked(random_model, "style")
    table = measured(asked, 15)
    monkeypatch.setattr(locogen.searching, "measure", lambda *some, **more: table)
    found = answers.swept(random_model, None)
    one, *_, two = (found[prompt.original] for prompt in asked.prompts)
    assert one["m"] == random_model.spec.m["style"] == 2
    assert one["shares"] == [round(0.05 * i, 3) for i in range(15)]
    assert two["shares"] == []  # less than what matters


def measured(asked: Request, windows: int) -> pd.DataFrame:
    """Scores as `locogen.measure` gives them: the last prompt's hardly move."""
    sets = ["", "0-15", *(f"{i}-{i + 1}" for i in range(windows))]
    lost = [0.0, 40.0, *(2.0 * i for i in range(windows))]
    rows = [
        {
            "prompt": prompt.original,
            "value": prompt.value,
            "seed": asked.seeds_of(i)[0],
            "score": 80 - fall * (0.01 if i + 1 == len(asked.prompts) else 1),
            "own": 80.0,
            "unrelated": 40.0,
            "picks_target": False,
            "layers": layers,
            "image": "",
        }
        for i, prompt in enumerate(asked.prompts)
        for layers, fall in zip(sets, lost)
    ]
    return pd.DataFrame(rows)


def test_an_edit_says_where_it_is_and_who_says_so(random_model):
    known = changes.change(random_model, "style", "monet")
    found = changes.change(random_model, "style", "monet", (3, 4, 5))
    assert (known.name, known.layers, known.by) == ("monet", (8, 9), "planted")
    assert (found.name, found.layers, found.by) == ("monet@3-5", (3, 4, 5), "LocoGen")
    assert len(found.deltas) == 6 and len(known.deltas) == 4


@pytest.mark.parametrize("found, places", [((), [()]), ((8, 9), [()]), ((3, 4), [(), (3, 4)])])
def test_a_natural_model_is_edited_where_locogen_finds_it_too(monkeypatch, found, places):
    spec = SimpleNamespace(planted=False, paper={"style": (8, 2)})
    monkeypatch.setattr(changes, "VALUES", {"style": ("monet",)})
    monkeypatch.setattr(changes, "located", lambda *asked: found)
    monkeypatch.setattr(changes, "change", lambda model, attribute, value, place: place)
    assert list(changes.changes(SimpleNamespace(spec=spec), None)) == places


# --- the runtime and the export


def test_the_runtime_is_the_pinned_one_and_its_licence_is_there():
    runtime.check()
    facts = runtime.pinned()
    there = {path.name for path in runtime.FOLDER.iterdir()}
    assert {facts["module"], facts["wasm"], "LICENSE", "README.md", "pinned.json"} <= there
    assert runtime.told()["bytes"] <= 4e6


def test_a_site_has_the_runtime_as_gzip(tmp_path):
    runtime.place(tmp_path / "runtime")
    told, facts = runtime.told(), runtime.pinned()
    files = [tmp_path / "runtime" / told[name] for name in ("module", "wasm")]
    assert sum(path.stat().st_size for path in files) == told["bytes"]
    unpacked = hashlib.sha256(gzip.decompress(files[1].read_bytes())).hexdigest()
    assert unpacked == facts["sha256"][facts["wasm"]]
    assert (tmp_path / "runtime" / "LICENSE").exists()
    assert not (tmp_path / "runtime" / facts["wasm"]).exists()


def test_the_readme_names_the_runtimes_version():
    facts = runtime.pinned()
    assert facts["version"] in (runtime.FOLDER / "README.md").read_text()


def test_a_changed_runtime_is_refused(monkeypatch, tmp_path):
    facts = runtime.pinned()
    for name in facts["sha256"]:
        (tmp_path / name).write_bytes(b"other")
    monkeypatch.setattr(runtime, "FOLDER", tmp_path)
    with pytest.raises(UserError, match="not the pinned file"):
        runtime.check()


def test_a_missing_package_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(graphs, "import_module", lambda name: __import__(f"no_{name}"))
    with pytest.raises(UserError, match=r"needs onnx, which is not installed.*locolib\[live\]"):
        export.export(tmp_path)


def test_files_are_named_by_what_they_hold_and_old_ones_go(tmp_path):
    writer = export.Writer(tmp_path)
    names = [writer.put("a", "bin", data) for data in (b"one", b"two", b"one")]
    assert names[0] == names[2] != names[1]
    assert writer.sizes == {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert gzip.decompress((tmp_path / names[1]).read_bytes()) == b"two"
    export._swept(tmp_path, {names[0]})
    assert [path.name for path in tmp_path.iterdir()] == [names[0]]


@pytest.mark.slow
def test_the_export_fits_and_is_made_once(tmp_path):
    folder = tmp_path / "live"
    made = export.made(folder, store=Store(tmp_path / "store"))
    assert made["bytes"] <= 20e6 and set(made["models"]) == set(export.MODELS)
    one, two = (told["parts"] for told in made["models"].values())
    assert one["decoder"]["weights"] == two["decoder"]["weights"] and one["text"] == two["text"]
    assert (
        one["unet"]["graph"] == two["unet"]["graph"]
        and one["unet"]["weights"] != two["unet"]["weights"]
    )
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert export.made(folder) == json.loads((folder / export.MANIFEST).read_text())
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    planted = made["models"]["planted-sd-v1-5"]
    for shares in planted["firstOrder"].values():
        assert len(shares) == 16 and abs(sum(shares) - 1) < 0.2
    for one in made["world"]["ready"]:
        start, m = planted["known"][one["attribute"]]
        told = planted["swept"][one["original"]]
        assert told["m"] == m and len(told["shares"]) in (0, 17 - m)
        if told["shares"]:  # where one layer of the window is enough, its neighbours do as much
            assert told["shares"][start] > max(0.5, max(told["shares"]) - 0.1)
    assert {edit["by"] for edit in planted["edits"].values()} == {"planted"}
    assert all(a["original"] != b["original"] for a, b in pairwise(made["world"]["ready"]))
