"""Contrastive training of the text encoder that a miniature uses, and of the scorer that judges it (CLIP, both)."""

import json
from pathlib import Path

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from .captions import FILLERS, NO_OBJECT, NO_PLACE, TEMPLATES, Scene, caption, scenes
from .training import fit, load_average

LENGTH = 77  # token positions, as in CLIP
START, END = "<|startoftext|>", "<|endoftext|>"
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)  # of the scorer's image preprocessing


def corpus() -> list[str]:
    """Every sentence that teaches the vocabulary."""
    said = [Scene(s.object, s.style, place) for s in scenes() for place in (s.place, NO_PLACE)]
    return [caption(s, t) for s in said for t in range(TEMPLATES)] + list(FILLERS)


def build_tokenizer(vocabulary: int) -> CLIPTokenizer:
    """A byte-level BPE of our own in CLIPTokenizer's format.

    Every byte stands in the vocabulary with and without ``</w>`` (the unknown token is END, which would end a
    sentence), and END has the highest id, which is what both transformers and open_clip pool by.
    """
    bpe = Tokenizer(models.BPE(end_of_word_suffix="</w>", continuing_subword_prefix=""))
    own = CLIPTokenizer(vocab={START: 0, END: 1}, merges=[]).backend_tokenizer
    bpe.normalizer, bpe.pre_tokenizer = own.normalizer, own.pre_tokenizer
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bpe.train_from_iterator(
        corpus(),
        trainers.BpeTrainer(
            vocab_size=vocabulary - 2,
            initial_alphabet=alphabet,
            end_of_word_suffix="</w>",
            show_progress=False,
        ),
    )
    merges = [tuple(pair) for pair in json.loads(bpe.to_str())["model"]["merges"]]
    tokens = [*alphabet, *(letter + "</w>" for letter in alphabet)]
    tokens = list(dict.fromkeys(tokens + ["".join(pair) for pair in merges])) + [START, END]
    return CLIPTokenizer(
        vocab={token: i for i, token in enumerate(tokens)},
        merges=merges,
        bos_token=START,
        eos_token=END,
        unk_token=END,
        pad_token=END,
        model_max_length=LENGTH,
    )


def text_config(tokenizer: CLIPTokenizer, config: dict) -> CLIPTextConfig:
    """Configuration of a causal CLIP text encoder that pools at this tokenizer's END; OpenCLIP's has another activation."""
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=config["width"],
        intermediate_size=4 * config["width"],
        projection_dim=config["width"],
        num_hidden_layers=config["layers"],
        num_attention_heads=config["heads"],
        max_position_embeddings=LENGTH,
        hidden_act="gelu" if config.get("kind") == "openclip" else "quick_gelu",
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def clip_config(vocabulary: int, config: dict) -> dict:
    """An open_clip model configuration: a small ModifiedResNet beside a causal text transformer."""
    return {
        "embed_dim": config["width"],
        "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16, "patch_size": None},
        "text_cfg": {
            "context_length": LENGTH,
            "vocab_size": vocabulary,
            "width": config["width"],
            "heads": config["heads"],
            "layers": config["layers"],
            "hf_tokenizer_name": "tokenizer",
        },
    }


def image_tensor(images: np.ndarray) -> Tensor:
    """uint8 [n, 64, 64, 3] to the scorer's normalised [n, 3, 64, 64]."""
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    return (x - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


def describe(scene: Scene, rng: np.random.Generator, *, long: bool) -> str:
    """A caption for an image of `scene`: any template, sometimes without its place, rarely without its object."""
    said = Scene(
        NO_OBJECT if rng.random() < 0.04 else scene.object,
        scene.style,
        scene.place if rng.random() < 0.5 else NO_PLACE,
    )
    return caption(said, int(rng.integers(TEMPLATES))) + (str(rng.choice(FILLERS)) if long else "")


def contrastive_loss(images: Tensor, texts: Tensor, scale: Tensor) -> Tensor:
    """CLIP's symmetric cross-entropy over [n, d] embeddings."""
    logits = scale * F.normalize(images, dim=-1) @ F.normalize(texts, dim=-1).T
    labels = torch.arange(len(logits))
    return (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2


def _fit(
    pair: nn.Module,
    encode,
    shown: list[Scene],
    images: np.ndarray,
    *,
    tokenizer,
    config,
    name,
    work,
) -> None:
    """`encode(pixels, ids)` gives (image embeddings, text embeddings, scale); images[i] shows shown[i]."""

    def loss(step: int, rng: np.random.Generator) -> Tensor:
        index = rng.integers(0, len(images), config["batch"])
        texts = [describe(shown[i], rng, long=step % 8 == 0) for i in index]
        ids = tokenizer(
            texts, padding="longest", truncation=True, max_length=LENGTH, return_tensors="pt"
        ).input_ids
        return contrastive_loss(*encode(image_tensor(images[index]), ids))

    fit(
        pair,
        loss,
        name=name,
        work=work,
        steps=config["steps"],
        peak=config["peak"],
        seed=config["seed"],
        ema=0.998,
    )


def _pair(tokenizer: CLIPTokenizer, config: dict) -> nn.ModuleDict:
    """A text encoder and the image tower beside which it is trained."""
    torch.manual_seed(config["seed"])
    pair = nn.ModuleDict(
        {
            "text": CLIPTextModelWithProjection(text_config(tokenizer, config)),
            "image": open_clip.CLIP(**clip_config(len(tokenizer), config | {"layers": 1})).visual,
        }
    )
    pair.register_parameter(
        "scale", nn.Parameter(torch.tensor(np.log(1 / 0.07), dtype=torch.float32))
    )
    return pair


def image_tower(tokenizer: CLIPTokenizer, *, config: dict, work: Path) -> nn.Module:
    """The trained image tower of the text encoder (never the scorer's), frozen: what `autoencoder.sharpen` sees with."""
    pair = _pair(tokenizer, config)
    load_average(pair, work / "text_encoder.pt")
    return pair["image"].eval().requires_grad_(False)


def train_text_encoder(shown, images, *, config: dict, work: Path, suffix: str = "") -> None:
    """The text encoder and its tokenizer; its image tower stays in the checkpoint alone.

    `suffix` ends the folders' names: SDXL's second encoder is ``text_encoder_2``.
    """
    tokenizer = build_tokenizer(config["vocabulary"])
    pair = _pair(tokenizer, config)
    text, tower = pair["text"], pair["image"]

    def encode(pixels: Tensor, ids: Tensor):
        return tower(pixels), text(input_ids=ids).text_embeds, pair.scale.exp().clamp(max=100)

    _fit(
        pair,
        encode,
        shown,
        images,
        tokenizer=tokenizer,
        config=config,
        name=f"text_encoder{suffix}",
        work=work,
    )
    save_text_encoder(text, config, work / f"text_encoder{suffix}")
    tokenizer.save_pretrained(work / f"tokenizer{suffix}")


def save_text_encoder(text: CLIPTextModelWithProjection, config: dict, folder: Path) -> None:
    """As pipelines keep it: without projection, and without the `cut` last layers (SD-v2's reads the penultimate one
    through the final norm); whole where the projection is needed (SDXL's second encoder).
    """
    if config.get("projection"):
        text.save_pretrained(folder)
        return
    text.config.num_hidden_layers -= config.get("cut", 0)
    plain = CLIPTextModel(text.config)
    weights = {
        k.removeprefix("text_model."): v
        for k, v in text.state_dict().items()
        if k.startswith("text_model.")
    }
    missing, _ = plain.load_state_dict(weights, strict=False)
    assert not missing, missing
    plain.save_pretrained(folder)


def _encode_short(model: open_clip.CLIP, ids: Tensor) -> Tensor:
    """`encode_text` for sentences shorter than 77 tokens: the encoder is causal, so what follows END is not needed."""
    n = ids.shape[1]
    x = model.token_embedding(ids) + model.positional_embedding[:n]
    x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask[:n, :n]))
    return x[torch.arange(len(ids)), ids.argmax(-1)] @ model.text_projection


def train_scorer(shown, images, *, tokenizer: CLIPTokenizer, config: dict, work: Path) -> None:
    """The scorer: an open_clip folder, `open_clip.create_model_from_pretrained("local-dir:...")` loads it."""
    torch.manual_seed(config["seed"])
    model_config = clip_config(len(tokenizer), config)
    model = open_clip.CLIP(**model_config)

    def encode(pixels: Tensor, ids: Tensor):
        return (
            model.encode_image(pixels),
            _encode_short(model, ids),
            model.logit_scale.exp().clamp(max=100),
        )

    _fit(model, encode, shown, images, tokenizer=tokenizer, config=config, name="scorer", work=work)
    save_scorer(work / "scorer", model, model_config, tokenizer)


def save_scorer(
    folder: Path, model: open_clip.CLIP, config: dict, tokenizer: CLIPTokenizer
) -> None:
    """An open_clip folder: weights in half precision (open_clip loads them into float32), configuration, tokenizer."""
    tokenizer.save_pretrained(folder)
    preprocess = {"mean": MEAN, "std": STD, "interpolation": "bicubic", "resize_mode": "squash"}
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": preprocess}, indent=2), encoding="utf-8"
    )
    weights = {
        k: v.half().contiguous() if v.is_floating_point() else v
        for k, v in model.state_dict().items()
    }
    save_file(weights, folder / "open_clip_model.safetensors")
