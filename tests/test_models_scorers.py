"""Scorers are built with the activation that their weights were trained with; told without weights."""

import json
from types import SimpleNamespace

import open_clip
import pytest
from open_clip.transformer import QuickGELU
from torch import nn

from locolib import UserError, models
from locolib.models import scorers
from locolib.models.registry import MODELS

TOWER = {"width": 32, "layers": 1}
TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "patch_size": 16, "head_width": 16, **TOWER},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "heads": 2, **TOWER},
}


def quick(model):
    return [m for m in model.modules() if isinstance(m, QuickGELU)]


@pytest.mark.parametrize(
    "name, expected",
    [
        ("ViT-B-16/openai", True),
        ("ViT-B-16-quickgelu/openai", True),
        ("ViT-L-14/openai", True),
        ("RN50/openai", True),
        ("ViT-B-16/laion2b_s34b_b88k", False),
        ("ViT-H-14/laion2b_s32b_b79k", False),
    ],
)
def test_the_activation_is_the_weights_own(name, expected):
    assert scorers.quick_gelu(*name.split("/")) == expected


def test_the_scorer_of_all_published_models_wants_quick_gelu():
    names = {spec.scorer for spec in MODELS.values() if not spec.bundled}
    assert names and all(scorers.quick_gelu(*name.split("/")) for name in names)


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """An architecture of open_clip's with two sets of weights that need no download."""
    (tmp_path / "tiny.json").write_text(json.dumps(TINY))
    open_clip.add_model_config(tmp_path / "tiny.json")
    known = {"openai": {"quick_gelu": True, "url": ""}, "later": {"url": ""}}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "tiny", known)

    def build(architecture, *, pretrained, **more):
        return open_clip.create_model(architecture, **more), SimpleNamespace()

    monkeypatch.setattr(open_clip, "create_model_from_pretrained", build)
    models.load_scorer.cache_clear()
    yield
    models.load_scorer.cache_clear()


@pytest.mark.parametrize("pretrained, expected", [("openai", True), ("later", False)])
def test_a_scorer_is_built_as_its_weights_were_trained(tiny, pretrained, expected):
    scorer = models.load_scorer(f"tiny/{pretrained}")
    assert bool(quick(scorer.model)) == expected
    assert any(isinstance(m, nn.GELU) for m in scorer.model.modules()) != expected


def test_a_scorer_with_another_activation_is_refused(tiny, monkeypatch):
    """As open_clip builds OpenAI's models when nobody asks for more."""
    plain = open_clip.create_model("tiny")
    monkeypatch.setattr(open_clip, "create_model_from_pretrained", lambda *_, **__: (plain, None))
    with pytest.raises(UserError, match="has no QuickGELU .* name tiny-quickgelu/openai"):
        models.load_scorer("tiny/openai")


def test_the_bundled_scorer_has_the_activation_of_its_configuration():
    scorer = models.load_scorer("scorer")
    config = json.loads((models.ORGANISMS / "scorer" / "open_clip_config.json").read_text())
    assert bool(quick(scorer.model)) == config["model_cfg"].get("quick_gelu", False)
