"""Every page that names a model runs for a published one: the true architecture, narrowed, with random weights, given by SOURCE."""

import os
import re
from dataclasses import replace

import nbformat
import pytest
import torch
from conftest import TEXT, _parts
from transformers import CLIPTextModel, CLIPTextModelWithProjection, T5EncoderModel

from locolib import UserError, claims
from locolib.models import MODELS, chosen
from locolib.models.loading import load
from locolib.organisms import contrast, networks, spans
from locolib.organisms.assemble import save_pipeline
from locolib.store import Store
from locolib.study import pages, runner

MODEL = "sd-v1-5"
# In the kernels of pages: the published scorer cannot be downloaded, so the random one looks at the pictures.
HOOK = """
from dataclasses import replace
from locolib.models import MODELS
MODELS.update({name: replace(MODELS[name], scorer="scorer") for name in ("sd-v1-5", "sdxl", "deepfloyd-if")})
"""


def _narrow(name):
    """Parts of a published model but for its width, its vocabulary, and what it knows: text is as wide as the model's own."""
    kind = {"sd-v1-5": "sd-v1", "sdxl": "sdxl", "deepfloyd-if": "if"}[name]
    parts, wide = _parts(kind), TEXT | {"width": 768, "heads": 12, "layers": 1}
    if kind == "if":
        config = spans.t5_config(parts["tokenizer"], TEXT | {"heads": 4, "layers": 1})
        config.d_model = 4096
        parts["text_encoder"] = T5EncoderModel(config)
        parts["unet"] = networks.build(kind, (16, 16, 32, 32), text_width=4096, in_channels=3)
        return kind, parts
    parts["text_encoder"] = CLIPTextModel(contrast.text_config(parts["tokenizer"], wide))
    channels, text_width = (16, 16, 24, 24), 768
    if kind == "sdxl":
        own = wide | {"width": 1280, "heads": 20, "kind": "openclip"}
        config = contrast.text_config(parts["tokenizer"], own)
        channels, text_width = (16, 16, 24), 768 + 1280
        config.projection_dim = text_width // 2
        parts["text_encoder_2"] = CLIPTextModelWithProjection(config)
    parts["unet"] = networks.build(kind, channels, text_width=text_width, in_channels=4)
    return kind, parts


@pytest.fixture(scope="module")
def narrowed_of(tmp_path_factory):
    """A function that gives the folder of a published model, narrowed, with random weights; each is made once."""
    folder = tmp_path_factory.mktemp("published")

    def make(name):
        place = folder / f"narrowed-{name}"
        if not place.exists():
            with torch.random.fork_rng():
                torch.manual_seed(1)
                kind, parts = _narrow(name)
                save_pipeline(place, kind=kind, prediction="epsilon", **parts)
        return place

    return make


@pytest.fixture
def narrowed(narrowed_of):
    return narrowed_of(MODEL)


@pytest.fixture(autouse=True)
def no_source(monkeypatch):
    monkeypatch.delenv(chosen.VARIABLE, raising=False)
    yield
    os.environ.pop(chosen.VARIABLE, None)


def test_a_source_is_of_one_model_and_says_so_without_a_machines_path(tmp_path):
    chosen.choose_source(MODEL, tmp_path)
    assert chosen.source_of(MODEL) == str(tmp_path.resolve())
    assert chosen.source_of("sdxl") is None and chosen.said_of("sdxl") == ""
    assert chosen.said_of(MODEL) == tmp_path.name
    chosen.choose_source("sdxl", "someone/other")  # one source of each, side by side
    assert chosen.source_of("sdxl") == "someone/other"
    assert chosen.source_of(MODEL) == str(tmp_path.resolve())
    chosen.choose_source(MODEL, "someone/model@a1b2")
    assert chosen.source_of(MODEL) == chosen.said_of(MODEL) == "someone/model@a1b2"


def test_a_source_without_a_model_is_refused():
    with pytest.raises(UserError, match="A source is of one model"):
        runner.study(source="x")


@pytest.mark.parametrize("page", [run.page for run in pages.plan(runner.profile("smoke"), MODEL)])
def test_every_notebook_of_a_published_model_loads_it_from_its_source(page):
    text = (pages.HOME / pages.PAGES[page].source).read_text()
    loads = re.findall(r"models\.load\(.*?\)\)?", text)
    assert all("source=p.source_of(" in one for one in loads)
    assert loads or page in ("ledger", "reproduction")


def test_claims_of_a_source_are_named_by_the_weights_that_were_loaded(narrowed, store):
    model = load(MODEL, source=narrowed)
    claim = claims.Claim(text="a", section="5", number="1", outcome="held")
    claims.keep(store, "02_locogen", model, [claim])
    assert claims.table(store).weights[0] != model.fingerprint  # the registry's: none is here
    chosen.choose_source(MODEL, narrowed)
    claims.keep(store, "02_locogen", model, [claim])
    assert claims.table(store).weights.tolist() == [model.fingerprint]


def test_each_narrowed_folder_is_the_published_model_by_its_architecture(narrowed_of, organisms):
    for name in ("sdxl", "deepfloyd-if"):
        assert load(name, source=narrowed_of(name)).spec == MODELS[name]


# Of SD-v1-5 every page; of the others those that nothing else runs, and what they read.
STUDIES = {
    MODEL: None,
    "deepfloyd-if": ("02_locogen", "05_deepfloyd_limits"),
    "sdxl": ("02_locogen",),
}


@pytest.fixture
def asked(random_organisms, organisms, narrowed_of, tmp_path, monkeypatch):
    """A function that gives what the study of a published model is asked, from its narrowed folder."""
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "published_hook.py").write_text(HOOK)
    patch = f"import sys; sys.path.insert(0, {str(tmp_path / 'hook')!r}); import published_hook"
    monkeypatch.setattr(runner, "KERNEL_PATCH", f"{runner.KERNEL_PATCH}; {patch}")
    monkeypatch.setattr(runner, "ORGANISMS", random_organisms)
    for name in STUDIES:
        monkeypatch.setitem(MODELS, name, replace(MODELS[name], scorer="scorer"))
    monkeypatch.setenv("LOCOLIB_ORGANISMS", str(random_organisms))
    monkeypatch.setenv("LOCOLIB_STORE", str(tmp_path / "store"))

    def asking(name):
        chosen.choose_source(MODEL, narrowed_of(MODEL))  # beside DeepFloyd too
        source = str(narrowed_of(name))
        return {"profile": "smoke", "model": name, "source": source, "root": tmp_path / "b"}

    return asking


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_the_study_of_a_published_model_runs_its_pages_and_renders(
    name, asked, tmp_path, monkeypatch, capsys
):
    every, wanted = pages.plan(runner.profile("smoke"), name), STUDIES[name]
    planned = [run for run in every if not (wanted and run.model) or run.page in wanted]
    monkeypatch.setattr(runner, "plan", lambda *_: planned)
    runner.study(**asked(name))
    said = capsys.readouterr().out
    names = [run.name for run in planned]
    for page in names:
        assert f"{page}: " in said or page in ("ledger", "reproduction")
        assert list((tmp_path / "b" / "site").rglob(f"{page}.html"))
    for page in names[:-2]:
        assert re.search(rf"{page}: at most \d+ images.*, about .* GiB", said)
        path = next((tmp_path / "b" / "book").rglob(f"{page}.ipynb"))
        text = nbformat.read(path, as_version=4)
        assert f"narrowed-{name}" in str(text.cells)  # the foot says what was loaded
        words = "\n".join(c.source for c in text.cells if c.cell_type == "markdown")
        assert "the bundled models are miniatures" not in words
    told = claims.table(Store(tmp_path / "store"))
    pages_told = {"01_causal_tracing", "02_locogen", "03_locoedit", "05_deepfloyd_limits"}
    assert set(told.page) >= pages_told & {run.page for run in planned}
    assert set(told.name) == {name}
    front = (tmp_path / "b" / "site" / "intro.html").read_text()
    article = front[front.index("<article") : front.index("</article")]
    assert "miniature" not in article and MODELS[name].title in article
    runner.study(**asked(name))
    assert "none to run" in capsys.readouterr().out
