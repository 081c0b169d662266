"""Every page that names a model runs for a published one: the true architecture, narrowed, with random weights, given by SOURCE."""

import os
import re
from dataclasses import replace

import nbformat
import pytest
import torch
from conftest import TEXT, _parts
from transformers import CLIPTextModel

from locolib import UserError, claims
from locolib.models import MODELS, chosen
from locolib.models.loading import load
from locolib.organisms import contrast, networks
from locolib.organisms.assemble import save_pipeline
from locolib.store import Store
from locolib.study import pages, runner

MODEL = "sd-v1-5"
# In the kernels of pages: the published scorer cannot be downloaded, so the random one looks at the pictures.
HOOK = f"""
from dataclasses import replace
from locolib.models import MODELS
MODELS[{MODEL!r}] = replace(MODELS[{MODEL!r}], scorer="scorer")
"""


@pytest.fixture(scope="module")
def narrowed(tmp_path_factory):
    """A folder that is Stable Diffusion v1.5 but for its width, its vocabulary, and what it knows."""
    folder = tmp_path_factory.mktemp("published") / "narrowed"
    state = torch.get_rng_state()
    torch.manual_seed(1)
    parts = _parts("sd-v1")
    wide = TEXT | {"width": 768, "heads": 12, "layers": 1}
    parts["text_encoder"] = CLIPTextModel(contrast.text_config(parts["tokenizer"], wide))
    parts["unet"] = networks.build("sd-v1", (16, 16, 24, 24), text_width=768, in_channels=4)
    save_pipeline(folder, kind="sd-v1", prediction="epsilon", **parts)
    torch.set_rng_state(state)
    return folder


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


@pytest.mark.slow
def test_the_study_of_a_published_model_runs_all_its_pages_and_renders(
    narrowed, random_organisms, organisms, tmp_path, monkeypatch, capsys
):
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "published_hook.py").write_text(HOOK)
    patch = f"import sys; sys.path.insert(0, {str(tmp_path / 'hook')!r}); import published_hook"
    monkeypatch.setattr(runner, "KERNEL_PATCH", f"{runner.KERNEL_PATCH}; {patch}")
    monkeypatch.setattr(runner, "ORGANISMS", random_organisms)
    monkeypatch.setitem(MODELS, MODEL, replace(MODELS[MODEL], scorer="scorer"))
    monkeypatch.setenv("LOCOLIB_ORGANISMS", str(random_organisms))
    monkeypatch.setenv("LOCOLIB_STORE", str(tmp_path / "store"))
    asked = {"profile": "smoke", "model": MODEL, "source": str(narrowed), "root": tmp_path / "b"}
    runner.study(**asked)
    said = capsys.readouterr().out
    names = [run.name for run in pages.plan(runner.profile("smoke"), MODEL)]
    for name in names:
        assert f"{name}: " in said or name in ("ledger", "reproduction")
        assert list((tmp_path / "b" / "site").rglob(f"{name}.html"))
    assert re.search(r"04_neuron_editing-sd-v1-5: at most \d+ images, about .* GiB", said)
    told = claims.table(Store(tmp_path / "store"))
    assert set(told.page) >= {"01_causal_tracing", "02_locogen", "03_locoedit"}
    assert set(told.name) == {MODEL}
    for name in names[:-2]:
        path = next((tmp_path / "b" / "book").rglob(f"{name}.ipynb"))
        text = nbformat.read(path, as_version=4)
        assert "narrowed" in str(text.cells)  # the foot says what was loaded
        words = "\n".join(c.source for c in text.cells if c.cell_type == "markdown")
        assert "the bundled models are miniatures" not in words
    front = (tmp_path / "b" / "site" / "intro.html").read_text()
    article = front[front.index("<article") : front.index("</article")]
    assert "miniature" not in article and "Stable Diffusion v1.5" in article
    runner.study(**asked)
    assert "none to run" in capsys.readouterr().out
