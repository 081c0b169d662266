"""The published architectures at full size (no weights: meta device) against App. D of the paper (Figs. 41 to 45)."""

import json
from inspect import signature

import diffusers
import pytest

from locolib.drawing.layers import sites
from locolib.models.architecture import architecture, skeleton

# App. D, one line for each run of attention modules: (block, modules, transformer blocks in each, width of K and V, side of
# the UNet's input / side of the maps).  DeepFloyd's modules hold their projections themselves, without transformer blocks.
# Fig. 41's list for SDXL is lost in our copy of the paper: its lines are written from the published block structure, and agree
# with what the paper's text says (70 in all).
_SD = [
    ("down_blocks.0", 2, 1, 320, 1),
    ("down_blocks.1", 2, 1, 640, 2),
    ("down_blocks.2", 2, 1, 1280, 4),
    ("mid_block", 1, 1, 1280, 8),
    ("up_blocks.1", 3, 1, 1280, 4),
    ("up_blocks.2", 3, 1, 640, 2),
    ("up_blocks.3", 3, 1, 320, 1),
]
APPENDIX_D = {
    "sd-v1-5": _SD,
    "sd-v2-1": _SD,
    "openjourney": _SD,
    "sdxl": [
        ("down_blocks.1", 2, 2, 640, 2),
        ("down_blocks.2", 2, 10, 1280, 4),
        ("mid_block", 1, 10, 1280, 4),
        ("up_blocks.0", 3, 10, 1280, 4),
        ("up_blocks.1", 3, 2, 640, 2),
    ],
    "deepfloyd-if": [
        ("down_blocks.1", 3, 0, 1408, 2),
        ("down_blocks.2", 3, 0, 2112, 4),
        ("down_blocks.3", 3, 0, 2816, 8),
        ("mid_block", 1, 0, 2816, 8),
        ("up_blocks.0", 4, 0, 2816, 8),
        ("up_blocks.1", 4, 0, 2112, 4),
        ("up_blocks.2", 4, 0, 1408, 2),
    ],
}
_NAMED = {
    6: "mid_block.attentions.0",
    7: "up_blocks.1.attentions.0",
    8: "up_blocks.1.attentions.1",
    9: "up_blocks.1.attentions.2",
}
NAMED = {
    "sd-v1-5": _NAMED,
    "sd-v2-1": _NAMED,
    "openjourney": _NAMED,
    "sdxl": {
        4: "down_blocks.2.attentions.0",
        15: "down_blocks.2.attentions.1",
        24: "mid_block.attentions.0",
        45: "up_blocks.0.attentions.1",
        64: "up_blocks.1.attentions.0",
    },
    "deepfloyd-if": {
        6: "down_blocks.3.attentions.0",
        9: "mid_block.attentions.0",
        12: "up_blocks.0.attentions.2",
        16: "up_blocks.1.attentions.2",
    },
}
LAYERS = {"sd-v1-5": 16, "sd-v2-1": 16, "openjourney": 16, "sdxl": 70, "deepfloyd-if": 22}
TEXT_WIDTH = {
    "sd-v1-5": 768,
    "sd-v2-1": 1024,
    "openjourney": 768,
    "sdxl": 2048,
    "deepfloyd-if": 2816,
}
SCHEDULER = {
    "sd-v2-1": "DDIMScheduler",
    "sdxl": "EulerDiscreteScheduler",
    "deepfloyd-if": "DDPMScheduler",
}
PIPELINE = {"sdxl": "StableDiffusionXLPipeline", "deepfloyd-if": "IFPipeline"}
# Published sizes.  DeepFloyd states "4.3B"; its weights in half precision are a file of 8.61 GB.
PARAMETERS = {
    "sd-v1-5": 859_520_964,
    "sd-v2-1": 865_910_724,
    "openjourney": 859_520_964,
    "sdxl": 2_567_463_684,
    "deepfloyd-if": pytest.approx(8.61e9 / 2, rel=1e-3),
}


@pytest.fixture(scope="module", params=APPENDIX_D)
def name(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def published(name) -> dict:
    return architecture(name)


@pytest.fixture(scope="module")
def unet(published):
    return skeleton(published["unet"])


def expected(name: str) -> list[tuple[str, int, int]]:
    """(path, width of K and V, scale) of each layer."""
    rows = []
    for block, modules, depth, width, scale in APPENDIX_D[name]:
        for path in (f"{block}.attentions.{i}" for i in range(modules)):
            rows += [
                (f"{path}.transformer_blocks.{j}.attn2", width, scale) for j in range(depth)
            ] or [(path, width, scale)]
    return rows


def test_sites_are_appendix_d(name, unet):
    found = sites(unet)
    assert [(site.path, site.shape[0], site.scale) for site in found] == expected(name)
    assert [site.index for site in found] == list(range(LAYERS[name]))
    assert all(site.path.startswith(f"{site.block}.") for site in found)


def test_keys_and_values_read_text(name, unet):
    """Each site names the matrices that take text, not the self-attention's own: their inputs are as wide as text."""
    key, value = ("add_k_proj", "add_v_proj") if name == "deepfloyd-if" else ("to_k", "to_v")
    for site in sites(unet):
        assert (site.key, site.value) == (f"{site.path}.{key}", f"{site.path}.{value}")
        for path in (site.key, site.value):
            matrix = unet.get_submodule(path)
            assert tuple(matrix.weight.shape) == site.shape == (site.shape[0], TEXT_WIDTH[name])
            assert (matrix.bias is not None) == (name == "deepfloyd-if")


def test_heads(name, unet):
    """Heads of 64 channels, but 8 heads everywhere in SD-v1's architecture: `attention_head_dim` means one or the other."""
    for site in sites(unet):
        assert unet.get_submodule(site.path).heads == (
            8 if name in ("sd-v1-5", "openjourney") else site.shape[0] // 64
        )


def test_parameter_count(name, unet):
    """The configuration is the published one and not merely alike: every width enters this number."""
    assert sum(p.numel() for p in unet.parameters()) == PARAMETERS[name]
    assert all(p.is_meta for p in unet.parameters())


def test_layers_that_the_paper_names(name, unet):
    """Where its answers lie: style of SD-v1-5 in 8 and 9, SDXL's 15 and 45, DeepFloyd's 6, 12 and 16."""
    found = sites(unet)
    assert {i: found[i].path.split(".transformer_blocks")[0] for i in NAMED[name]} == NAMED[name]


def test_text_fits(name, published, unet):
    """Encoders side by side are as wide as the layers read; DeepFloyd's T5 is projected to that width first."""
    widths = [encoder["hidden_size"] for encoder in published["text_encoders"]]
    assert len(widths) == len(published["tokenizers"]) == (2 if name == "sdxl" else 1)
    assert unet.config.cross_attention_dim == TEXT_WIDTH[name]
    if name == "deepfloyd-if":
        assert widths == [4096] and tuple(unet.encoder_hid_proj.weight.shape) == (2816, 4096)
    else:
        assert sum(widths) == TEXT_WIDTH[name] and unet.encoder_hid_proj is None


def test_pooled_text(name, published, unet):
    """Text that bypasses the layers: SDXL's second encoder beside six sizes of the picture, DeepFloyd's pooled T5."""
    config = unet.config
    assert config.addition_embed_type == {"sdxl": "text_time", "deepfloyd-if": "text"}.get(name)
    if name == "sdxl":
        pooled = (
            published["text_encoders"][1]["projection_dim"] + 6 * config.addition_time_embed_dim
        )
        assert pooled == config.projection_class_embeddings_input_dim == 1280 + 6 * 256
        assert unet.add_embedding.linear_1.in_features == pooled
    if name == "deepfloyd-if":
        assert (
            unet.add_embedding.norm1.normalized_shape == (4096,)
            and config.addition_embed_type_num_heads == 64
        )


def test_scheduler(name, published):
    """The scheduler can be made, and says the same when diffusers reads it."""
    kind = SCHEDULER.get(name, "PNDMScheduler")
    assert published["scheduler"]["_class_name"] == kind
    config = getattr(diffusers, kind).from_config(published["scheduler"]).config
    prediction = "v_prediction" if name == "sd-v2-1" else "epsilon"
    assert config.prediction_type == published["scheduler"]["prediction_type"] == prediction
    if name == "deepfloyd-if":
        assert (config.beta_schedule, config.variance_type, config.thresholding) == (
            "squaredcos_cap_v2",
            "learned_range",
            True,
        )
    else:
        assert (config.beta_schedule, config.beta_start, config.beta_end) == (
            "scaled_linear",
            0.00085,
            0.012,
        )


def test_pictures(name, published, unet):
    """Latents of 4 channels and their scale, or pixels; DeepFloyd predicts noise and variance of 3 channels each."""
    side = {"sd-v1-5": 64, "sd-v2-1": 96, "openjourney": 64, "sdxl": 128, "deepfloyd-if": 64}[name]
    assert published["sample_size"] == unet.config.sample_size == side
    if name == "deepfloyd-if":
        assert published["vae"] is None and (unet.config.in_channels, unet.config.out_channels) == (
            3,
            6,
        )
    else:
        assert published["vae"] == {
            "latent_channels": 4,
            "scaling_factor": 0.13025 if name == "sdxl" else 0.18215,
        }
        assert unet.config.in_channels == unet.config.out_channels == 4


def test_pipeline(name, published):
    assert published["pipeline"] == PIPELINE.get(name, "StableDiffusionPipeline")
    assert hasattr(diffusers, published["pipeline"])


def test_configurations_hold_what_diffusers_knows(published, unet):
    """A misspelled or outdated key would be ignored in silence and leave a default in its place."""
    assert published["unet"].keys() <= signature(type(unet).__init__).parameters.keys()
    assert (
        json.loads(json.dumps({key: unet.config[key] for key in published["unet"]}))
        == published["unet"]
    )
