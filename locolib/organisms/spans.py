"""A T5 text encoder trained by span corruption (Raffel et al. 2020): bidirectional, and it never sees an image."""

import math
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import T5Config, T5EncoderModel, T5ForConditionalGeneration, T5Tokenizer

from .captions import Scene
from .contrast import corpus, describe
from .training import fit

SENTINELS = 16  # a caption never has more corrupted spans
RARE = -16.0  # log-probability of a letter: a word that is known is never spelt
SHARE, SPAN = 0.25, 2  # of tokens that are corrupted, and the mean length of a corrupted span


def build_tokenizer() -> T5Tokenizer:
    """A unigram tokenizer of our own in T5's format: ids 0 to 2 are pad, end and unknown, sentinels stand last.

    Its pieces are the words of the world's captions, scored by how often they occur, and letters for all other words.
    (A unigram model that is learnt from so few distinct words cuts most of them into letters.)
    """
    counts = Counter(word.strip(",") for text in corpus() for word in text.lower().split())
    total = sum(counts.values())
    words = [("▁" + word, math.log(count / total)) for word, count in counts.most_common()]
    letters = [
        (letter, RARE) for letter in sorted(set("abcdefghijklmnopqrstuvwxyz0123456789,.'-!?:()▁"))
    ]
    known = dict([("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *words, *letters])
    sentinels = [(f"<extra_id_{i}>", 0.0) for i in reversed(range(SENTINELS))]
    return T5Tokenizer(
        vocab=[*known.items(), *sentinels], extra_ids=SENTINELS, model_max_length=512
    )


def t5_config(tokenizer: T5Tokenizer, config: dict) -> T5Config:
    """T5 v1.1's form: gated GELU, no weights shared between input and output."""
    return T5Config(
        vocab_size=len(tokenizer),
        d_model=config["width"],
        d_kv=config["width"] // config["heads"],
        d_ff=2 * config["width"],
        num_layers=config["layers"],
        num_decoder_layers=2,
        num_heads=config["heads"],
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
        dropout_rate=0.0,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
    )


def corrupt(
    ids: list[int], first_sentinel: int, rng: np.random.Generator
) -> tuple[list[int], list[int]]:
    """(input, target) of one caption without its end: random spans give way to sentinels, and the target tells them."""
    count = max(1, round(len(ids) * SHARE / SPAN))
    starts = sorted(rng.choice(len(ids), min(count, len(ids)), replace=False))
    hidden = np.zeros(len(ids), bool)
    for start in starts:
        hidden[start : start + rng.integers(1, 2 * SPAN)] = True
    told, wanted, sentinel = [], [], first_sentinel
    for i, token in enumerate(ids):
        if hidden[i] and (i == 0 or not hidden[i - 1]):
            told.append(sentinel)
            wanted.append(sentinel)
            sentinel -= 1  # <extra_id_0> has the highest id
        (wanted if hidden[i] else told).append(token)
    return told, wanted


def train(shown: list[Scene], images: object, *, config: dict, work: Path) -> None:
    """The encoder of a small T5, saved with its tokenizer; no image is looked at."""
    torch.manual_seed(config["seed"])
    tokenizer = build_tokenizer()
    t5 = T5ForConditionalGeneration(t5_config(tokenizer, config))
    sentinel = tokenizer.convert_tokens_to_ids("<extra_id_0>")

    def padded(rows: list[list[int]], fill: int) -> Tensor:
        length = max(map(len, rows))
        return torch.tensor([row + [fill] * (length - len(row)) for row in rows])

    def loss(step: int, rng: np.random.Generator) -> Tensor:
        texts = [
            describe(shown[i], rng, long=rng.random() < 0.1).lower()
            for i in rng.integers(0, len(shown), config["batch"])
        ]
        pairs = [corrupt(ids[:-1], sentinel, rng) for ids in tokenizer(texts).input_ids]
        told, wanted = (
            padded([t + [1] for t, _ in pairs], 0),
            padded([w + [1] for _, w in pairs], -100),
        )
        return t5(input_ids=told, attention_mask=(told != 0).long(), labels=wanted).loss

    fit(
        t5,
        loss,
        name="text_encoder",
        work=work,
        steps=config["steps"],
        peak=config["peak"],
        seed=config["seed"],
        ema=0.998,
    )
    encoder = T5EncoderModel(t5.config)
    missing, _ = encoder.load_state_dict(t5.state_dict(), strict=False)
    assert not missing, missing
    encoder.save_pretrained(work / "text_encoder")
    tokenizer.save_pretrained(work / "tokenizer")
