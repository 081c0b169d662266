"""One safetensors file as fine-tunes are shared, loaded offline: the true layers of each architecture, a few channels wide."""

import re

import pytest
import torch
from diffusers import DiffusionPipeline, StableDiffusionPipeline, StableDiffusionXLPipeline
from open_clip.tokenizer import SimpleTokenizer
from rounding import assert_same_picture
from safetensors.torch import load_file, save_file

from locolib import UserError, models
from locolib.drawing.memory import Row
from locolib.drawing.sampling import Settings, generate
from locolib.models import architecture, registry, single_file

SETTINGS = Settings(steps=2, guidance=3.0)
NARROW = {
    "sd-v1-5": {
        "block_out_channels": [32, 32, 64, 64],
        "cross_attention_dim": 64,
        "sample_size": 8,
    },
    "sd-v2-1": {
        "block_out_channels": [32, 32, 64, 64],
        "cross_attention_dim": 128,
        "attention_head_dim": [1, 1, 2, 2],
        "sample_size": 8,
    },
    "sdxl": {
        "block_out_channels": [32, 64, 64],
        "cross_attention_dim": 192,
        "attention_head_dim": [1, 2, 2],
        "addition_time_embed_dim": 16,
        "projection_class_embeddings_input_dim": 128 + 6 * 16,
        "sample_size": 8,
    },
}
NARROW["openjourney"] = NARROW["sd-v1-5"]
TEXT = {"sd-v2-1": [128], "sdxl": [64, 128]}


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    """The published architectures, but for their widths."""
    published = architecture.architecture

    def narrowed(name):
        known = published(name)
        if name not in NARROW:
            return known
        encoders = [
            config | {"hidden_size": width, "projection_dim": width, "num_hidden_layers": 2}
            for config, width in zip(known["text_encoders"], TEXT.get(name, [64]))
        ]
        return known | {
            "unet": known["unet"] | NARROW[name],
            "text_encoders": encoders,
            "sample_size": 8,
        }

    monkeypatch.setattr(architecture, "architecture", narrowed)
    monkeypatch.setattr(single_file, "architecture", narrowed)
    decoder = single_file._DECODER | {"block_out_channels": [32] * 4}
    monkeypatch.setattr(single_file, "_DECODER", decoder)


def random_pipeline(name) -> DiffusionPipeline:
    """A random model with the bundled configurations of `name`, made by diffusers alone."""
    with single_file._configured(name) as folder:
        kind = StableDiffusionXLPipeline if name == "sdxl" else StableDiffusionPipeline
        config = kind.load_config(folder)
        torch.manual_seed(0)
        parts = {}
        for part, (library, cls) in [(k, v) for k, v in config.items() if isinstance(v, list)]:
            cls = getattr(__import__(library), cls)
            if part in ("unet", "vae"):
                parts[part] = cls.from_config(cls.load_config(folder / part)).eval()
            elif part.startswith("text"):
                parts[part] = cls(cls.config_class.from_pretrained(folder / part)).eval()
            else:
                parts[part] = cls.from_pretrained(folder / part)
    more = (
        {"force_zeros_for_empty_prompt": True, "add_watermarker": False}
        if name == "sdxl"
        else {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    )
    return kind(**parts, **more)


def renamed(weights, pairs):
    """Weights under other names; `pairs` are (pattern, replacement), applied in order."""
    found = {}
    for name, weight in weights.items():
        for pattern, replacement in pairs:
            name = re.sub(pattern, replacement, name)
        found[name] = weight
    return found


def unet_to_ldm(unet):
    downs, ups = unet.config.down_block_types, unet.config.up_block_types
    pairs = []
    for i in range(len(downs)):
        for j in range(2):
            n = 3 * i + j + 1
            pairs += [
                (rf"^down_blocks\.{i}\.resnets\.{j}\.", f"input_blocks.{n}.0."),
                (rf"^down_blocks\.{i}\.attentions\.{j}\.", f"input_blocks.{n}.1."),
            ]
        for j in range(3):
            n = 3 * i + j
            pairs += [
                (rf"^up_blocks\.{i}\.resnets\.{j}\.", f"output_blocks.{n}.0."),
                (rf"^up_blocks\.{i}\.attentions\.{j}\.", f"output_blocks.{n}.1."),
            ]
        second = 2 if "CrossAttn" in ups[i] else 1
        pairs += [
            (rf"^down_blocks\.{i}\.downsamplers\.0\.conv\.", f"input_blocks.{3 * i + 3}.0.op."),
            (rf"^up_blocks\.{i}\.upsamplers\.0\.", f"output_blocks.{3 * i + 2}.{second}."),
        ]
    pairs += [
        (r"^mid_block\.attentions\.0\.", "middle_block.1."),
        (r"^mid_block\.resnets\.0\.", "middle_block.0."),
        (r"^mid_block\.resnets\.1\.", "middle_block.2."),
        (r"^time_embedding\.linear_1", "time_embed.0"),
        (r"^time_embedding\.linear_2", "time_embed.2"),
        (r"^add_embedding\.linear_1", "label_emb.0.0"),
        (r"^add_embedding\.linear_2", "label_emb.0.2"),
        (r"^conv_in", "input_blocks.0.0"),
        (r"^conv_norm_out", "out.0"),
        (r"^conv_out", "out.2"),
    ]
    found = renamed(unet.state_dict(), pairs)
    resnet = [
        (r"\.norm1\.", ".in_layers.0."),
        (r"\.conv1\.", ".in_layers.2."),
        (r"\.norm2\.", ".out_layers.0."),
        (r"\.conv2\.", ".out_layers.3."),
        (r"\.time_emb_proj\.", ".emb_layers.1."),
        (r"\.conv_shortcut\.", ".skip_connection."),
    ]
    return {
        f"model.diffusion_model.{name}": weight
        for key, weight in found.items()
        for name in (renamed({key: 0}, [] if "transformer_blocks" in key else resnet))
    }


def vae_to_ldm(vae):
    pairs = [
        (r"\.conv_shortcut\.", ".nin_shortcut."),
        (r"\.conv_norm_out\.", ".norm_out."),
        (r"\.mid_block\.attentions\.0\.", ".mid.attn_1."),
        (r"\.mid_block\.resnets\.0\.", ".mid.block_1."),
        (r"\.mid_block\.resnets\.1\.", ".mid.block_2."),
        (r"\.down_blocks\.(\d)\.resnets\.", r".down.\1.block."),
        (r"\.down_blocks\.(\d)\.downsamplers\.0\.", r".down.\1.downsample."),
        *((rf"\.up_blocks\.{i}\.resnets\.", f".up.{3 - i}.block.") for i in range(4)),
        *((rf"\.up_blocks\.{i}\.upsamplers\.0\.", f".up.{3 - i}.upsample.") for i in range(4)),
        (r"\.group_norm\.", ".norm."),
        (r"\.to_([qkv])\.", r".\1."),
        (r"\.to_out\.0\.", ".proj_out."),
    ]
    found = renamed(vae.state_dict(), pairs)
    return {
        f"first_stage_model.{name}": weight[..., None, None]
        if ".attn_1." in name and weight.ndim == 2
        else weight
        for name, weight in found.items()
    }


def clip_to_ldm(encoder, prefix):
    return {
        f"{prefix}text_model.{name.removeprefix('text_model.')}": weight
        for name, weight in encoder.state_dict().items()
    }


def open_clip_to_ldm(encoder, prefix):
    found = renamed(
        {name.removeprefix("text_model."): w for name, w in encoder.state_dict().items()},
        [
            (r"^encoder\.layers\.", "transformer.resblocks."),
            (r"\.layer_norm([12])\.", r".ln_\1."),
            (r"\.mlp\.fc1\.", ".mlp.c_fc."),
            (r"\.mlp\.fc2\.", ".mlp.c_proj."),
            (r"\.self_attn\.", ".attn."),
            (r"^embeddings\.token_embedding\.weight", "token_embedding.weight"),
            (r"^embeddings\.position_embedding\.weight", "positional_embedding"),
            (r"^final_layer_norm\.", "ln_final."),
        ],
    )
    made = {}
    for name, weight in found.items():
        if match := re.fullmatch(r"(.*\.attn)\.q_proj\.(weight|bias)", name):
            three = [found[f"{match[1]}.{part}_proj.{match[2]}"] for part in "qkv"]
            made[f"{match[1]}.in_proj_{match[2]}"] = torch.cat(three)
        elif name == "text_projection.weight":
            made["text_projection"] = weight.T
        elif not re.search(r"\.attn\.[kv]_proj\.", name):
            made[name] = weight
    return {f"{prefix}{name}": weight for name, weight in made.items()}


def ldm(name, pipeline):
    """A pipeline's weights under the names of a shared file, with what else such files hold."""
    weights = unet_to_ldm(pipeline.unet) | vae_to_ldm(pipeline.vae)
    if name == "sdxl":
        weights |= clip_to_ldm(pipeline.text_encoder, "conditioner.embedders.0.transformer.")
        weights |= open_clip_to_ldm(pipeline.text_encoder_2, "conditioner.embedders.1.model.")
        weights["conditioner.embedders.1.model.logit_scale"] = torch.tensor(4.6)
    elif name == "sd-v2-1":
        weights |= open_clip_to_ldm(pipeline.text_encoder, "cond_stage_model.model.")
        weights["cond_stage_model.model.transformer.resblocks.23.ln_1.bias"] = torch.zeros(128)
    else:
        prefix = "cond_stage_model.transformer."
        weights |= clip_to_ldm(pipeline.text_encoder, prefix)
        weights[f"{prefix}text_model.embeddings.position_ids"] = torch.arange(77)[None]
    weights["model_ema.decay"] = torch.tensor(0.9)  # kept by trainers, of no use
    return {key: weight.contiguous().clone() for key, weight in weights.items()}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A function that gives a model's file, made once, and the pipeline that it was made of."""
    made = {}

    def of(name):
        if name not in made:
            pipeline = random_pipeline(name)
            path = tmp_path_factory.mktemp(name) / "tuned.safetensors"
            save_file(ldm(name, pipeline), path)
            made[name] = path, pipeline
        return made[name]

    return of


@pytest.mark.parametrize("name", ["sd-v1-5", "openjourney", "sd-v2-1", "sdxl"])
def test_a_single_file_is_the_pipeline_that_it_was_made_of(files, name):
    path, pipeline = files("sd-v1-5" if name == "openjourney" else name)
    model = models.load(name, source=path)
    for part in model.parts:
        ours = getattr(model.pipeline, part).state_dict()
        for key, weight in getattr(pipeline, part).state_dict().items():
            assert torch.equal(weight, ours[key]), key
    assert re.fullmatch(r"tuned\.safetensors@[0-9a-f]{16}", model.source)
    config = model.pipeline.scheduler.config
    assert (config.steps_offset, config.clip_sample, config.timestep_spacing) == (
        1,
        False,
        "leading",
    )
    assert config.prediction_type == model.spec.prediction
    noise = model.noise(model.generator(1))[None]
    pipeline.scheduler = model.pipeline.scheduler
    pipeline.set_progress_bar_config(disable=True)
    prompt = "a house in the style of Van Gogh, r2d2's café"
    theirs = pipeline(
        prompt, latents=noise, num_inference_steps=2, guidance_scale=3.0, output_type="np"
    ).images
    ours = generate(model, [Row(prompt=prompt, seed=1)], SETTINGS)
    assert_same_picture(ours, (255 * theirs).round())


@pytest.mark.parametrize(
    "text",
    [
        "a cat",
        "r2d2's snoopy (masterpiece:1.2)",
        "héllo wörld 3.14!!",
        "日本語 café  naïve",
        "😀 I'VE don't",
        "x" * 300,
    ],
)
def test_the_bundled_tokenizer_is_clips(text):
    ours = single_file.tokenizer()([text], padding="max_length", truncation=True).input_ids[0]
    theirs = SimpleTokenizer()([text])[0].tolist()
    end = theirs.index(49407) + 1
    assert ours[:end] == theirs[:end] and len(ours) == 77 and set(ours[end:]) <= {49407}


def test_the_bundled_tokenizer_has_clips_words():
    tokenizer = single_file.tokenizer("!")
    assert (len(tokenizer), tokenizer.bos_token_id, tokenizer.eos_token_id) == (49408, 49406, 49407)
    assert tokenizer.pad_token_id == 0 and tokenizer.model_max_length == 77


@pytest.mark.parametrize(
    "given, true", [("sdxl", "sd-v1-5"), ("sd-v1-5", "sd-v2-1"), ("mini-sd-v1-5", "sd-v1-5")]
)
def test_the_name_is_checked_against_the_files_shapes(organisms, files, given, true):
    with pytest.raises(UserError, match=f"by the shapes of its weights it is {true}") as caught:
        models.load(given, source=files(true)[0])
    assert "\n" not in str(caught.value)


def without(pattern):
    return lambda weights: {k: w for k, w in weights.items() if not re.search(pattern, k)}


@pytest.mark.parametrize(
    "spoil, message",
    [
        (without("^first_stage_model"), "holds no VAE"),
        (without("^cond_stage_model"), "holds no text encoder"),
        (without("^model.diffusion"), "a LoRA is given by --lora"),
        (without(r"time_embed\.0\.bias"), "unet lacks 1 of the weights"),
        (without(r"decoder\.conv_out\.bias"), "vae lacks 1 of the weights"),
        (without(r"final_layer_norm\.bias"), "text_encoder lacks 1 of the weights"),
        (
            lambda w: w | {"model.diffusion_model.more.bias": torch.zeros(3)},
            "unet has no place for",
        ),
        (lambda w: w | {"first_stage_model.more.bias": torch.zeros(3)}, "vae has no place for"),
        (
            lambda w: (
                w | {"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(32, 9, 3, 3)}
            ),
            "none of",
        ),
        (lambda w: w | {"v_pred": torch.zeros(0)}, "predicts v_prediction instead of epsilon"),
    ],
)
def test_a_file_that_is_no_whole_model_is_one_sentence(files, tmp_path, spoil, message):
    path = tmp_path / "spoilt.safetensors"
    save_file(spoil(load_file(files("sd-v1-5")[0])), path)
    with pytest.raises(UserError, match=message) as caught:
        models.load("sd-v1-5", source=path)
    assert "\n" not in str(caught.value)


def test_half_precision_is_read_in_full(files, tmp_path):
    path = tmp_path / "half.safetensors"
    save_file({k: w.bfloat16() for k, w in load_file(files("sd-v1-5")[0]).items()}, path)
    model = models.load("sd-v1-5", source=path)
    assert {
        p.dtype for part in model.parts for p in getattr(model.pipeline, part).parameters()
    } == {torch.float32}


@pytest.mark.parametrize("name", ["tuned.ckpt", "tuned.pt"])
def test_pickles_are_refused_unread(tmp_path, name):
    (tmp_path / name).write_bytes(b"cos\nsystem\n(S'exit'\ntR.")
    with pytest.raises(UserError, match="no safetensors file"):
        models.load("sd-v1-5", source=tmp_path / name)


@pytest.mark.parametrize(("name", "epsilon"), [("mini-sd-v1-5", True), ("mini-sd-v2-1", False)])
def test_a_trained_unet_shows_what_it_predicts(name, epsilon):
    """Weights alone do not tell Stable Diffusion 2 base from 2.1; what they make of noise does."""
    if not (registry.ORGANISMS / name / "model_index.json").exists():
        pytest.skip(f"{name} is not here")
    assert single_file.gives_noise_back(models.load(name).unet) is epsilon


def test_a_file_of_stable_diffusion_2_base_is_not_taken_for_2_1(files, monkeypatch):
    monkeypatch.setattr(single_file, "gives_noise_back", lambda unet: True)
    with pytest.raises(UserError, match="predicts epsilon instead of v_prediction: .* 2 base"):
        models.load("sd-v2-1", source=files("sd-v2-1")[0])
    assert models.load(
        "sd-v1-5", source=files("sd-v1-5")[0]
    )  # which predicts epsilon, as it should
