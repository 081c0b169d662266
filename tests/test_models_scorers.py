"""Scorers are built with the activation that their weights were trained with; told without weights."""

import json
from types import SimpleNamespace

import numpy as np
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


def test_a_text_is_encoded_once_and_says_the_same_in_any_company():
    """Sweeps ask for the same texts again and again: a second asking costs nothing, and company changes rounding alone."""
    scorer, asked = models.load_scorer("scorer"), ["a cat", "a house in a forest", "a cat"]
    scorer.known.clear()
    before = scorer.texts(asked)
    encode, count = scorer.model.encode_text, []
    try:
        scorer.model.encode_text = lambda ids, **more: (
            count.append(len(ids)),
            encode(ids, **more),
        )[1]
        again = scorer.texts(["a cat", "a dog"])
    finally:
        del scorer.model.encode_text
    assert count == [1] and (again[0] == before[0]).all() and (before[0] == before[2]).all()
    scorer.known.clear()
    assert np.allclose(scorer.texts(["a house in a forest"]), before[1], atol=1e-5)
