"""How text encoders hand a prompt on (App. M, Fig. 62): attention by head, and which token positions carry an attribute.

CLIP reads from left to right, so nothing before the subject knows of it; T5 reads both ways.  The paper blames this for the
failure of closed-form edits in DeepFloyd.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd
import torch
from torch import Tensor

from ... import UserError
from ...drawing.memory import Altered, Row
from ...drawing.sampling import generate
from ...drawing.text import TOKENS, positions, token_ids
from ...models import Model, encoders, load_scorer
from ...models.memory import bring
from ...prompts import Prompt, listed, revalued
from ...scores import NOTHING, clip_score, mean, ratio
from ...store import Store
from ..editing import Trial
from ..locogen import Request, by_unit, changes

LAST = "the subject's last token"
GROUPS = (
    "before the subject",
    "the subject but its last token",
    LAST,
    "words after it",
    "end of text",
    "padding",
)
BUT_LAST = f"all but {LAST}"  # the paper's claim is about these together


@torch.no_grad()
def attention(model: Model, prompt: str) -> tuple[Tensor, list[str]]:
    """Attention of the last layer of the (first) text encoder, [heads, tokens, tokens], up to the end of text, and the tokens.

    Row i says where token i looks.
    """
    encoder = next(iter(encoders(model.pipeline).values()))
    before = encoder.config._attn_implementation
    ids = model.tokenized(model.tokenizer, [prompt])
    bring(model, *encoders(model.pipeline))
    encoder.set_attn_implementation("eager")  # the others do not return their weights
    try:
        found = encoder(
            ids.input_ids, attention_mask=ids.attention_mask, output_attentions=True
        ).attentions[-1][0]
    finally:
        encoder.set_attn_implementation(before)
    end = token_ids(model, prompt).index(model.tokenizer.eos_token_id) + 1
    return found[:, :end, :end].float().cpu(), model.tokenizer.convert_ids_to_tokens(
        token_ids(model, prompt)[:end]
    )


def looking_ahead(weights: Tensor) -> Tensor:
    """Part of each head's attention that goes to later tokens, [heads]: 0 in a causal encoder; of weights [heads, tokens, tokens]."""
    ahead = weights.triu(1).sum((1, 2))
    return ahead / weights.sum((1, 2))


def groups(model: Model, prompt: str, subject: str) -> dict[str, tuple[int, ...]]:
    """Token positions of a prompt by `GROUPS`, in the order in which the encoder reads them, then those of `BUT_LAST`."""
    at = positions(model, prompt, subject)
    found = dict(
        zip(
            GROUPS,
            (
                tuple(range(at.subject[0])),
                at.subject[:-1],
                at.subject[-1:],
                tuple(range(at.last_subject + 1, at.eos)),
                (at.eos,),
                at.pads,
            ),
        )
    )
    rest = sorted(i for name, where in found.items() if name != LAST for i in where)
    return found | {BUT_LAST: tuple(rest)}


def another(prompts: Sequence[Prompt], value: str, tokens: Mapping[str, int]) -> str:
    """Another value of the attribute with as many tokens, so that every position keeps its place."""
    for prompt in prompts:
        if prompt.value != value and tokens[prompt.value] == tokens[value]:
            return prompt.value
    raise UserError(
        f"No other value has as many tokens as {value!r}, so positions cannot be compared; choose another value."
    )


def by_position(model: Model, asked: Request, value: str, *, store: Store) -> pd.DataFrame:
    """Which token positions carry an attribute: K and V of one group of positions come from the prompt with another value, in all layers.

    Args:
        asked: prompts of one attribute; all are given `value`, and the other value has as many tokens.

    Returns:
        A row for each group of `GROUPS` and for `BUT_LAST`: group, share (of altering all positions, with _low and _high), units,
        images, other (whose name was put in).
    """
    known = (
        *asked.prompts,
        *listed(asked.attribute, printed=not model.spec.bundled),
    )  # a few prompts may know no such value
    every = tuple(dict.fromkeys(revalued(prompt, value) for prompt in asked.prompts))
    count = {
        v: len(model.tokenizer(v, add_special_tokens=False).input_ids)
        for v in {p.value for p in known} | {value}
    }
    other = another(known, value, count)
    request, layers = replace(asked, prompts=every), tuple(range(model.spec.layers))
    tables = []
    for group in ("", "all", *GROUPS, BUT_LAST):
        rows = []
        for i, prompt in enumerate(every):
            where = groups(model, prompt.original, value).get(group, ())
            told = Altered(layers=layers, prompt=revalued(prompt, other).original, positions=where)
            clean = not group or (group != "all" and not where)
            rows += [
                Row(prompt=prompt.original, seed=seed, changes=() if clean else (told,))
                for seed in request.seeds_of(i)
            ]
        tables.append(_scored(model, request, rows, store).assign(layers=group))
    table = pd.concat(tables)
    effect = changes(by_unit(table)[1], asked.attribute)
    whole = effect["all"].to_numpy()
    nothing = mean(whole).low <= 0 or whole.mean() <= 0  # no ratio to what is not there
    found = {
        group: NOTHING if nothing else ratio(effect[group].to_numpy(), whole)
        for group in (*GROUPS, BUT_LAST)
    }
    return pd.DataFrame(
        [
            {
                "group": group,
                "share": i.value,
                "share_low": i.low,
                "share_high": i.high,
                "units": len(effect),
                "images": len(tables[0]),
                "other": other,
            }
            for group, i in found.items()
        ]
    )


def _scored(model: Model, request: Request, rows: Sequence[Row], store: Store) -> pd.DataFrame:
    """CLIP-Score of each row with its own prompt."""
    scorer = load_scorer(model.spec.scorer)
    images = scorer.images(
        generate(model, rows, request.settings, store=store, label=f"{model.name} positions")
    )
    texts = scorer.texts([str(row.prompt) for row in rows])
    return pd.DataFrame(
        {
            "prompt": [row.prompt for row in rows],
            "seed": [row.seed for row in rows],
            "score": clip_score(images, texts),
        }
    )


def by_tokens(one: Trial) -> pd.DataFrame:
    """LocoEdit with each choice of tokens, judged on held-out prompts, beside altering the located and all layers (Fig. 61)."""
    return one.tried({tokens: one.locoedit(tokens) for tokens in TOKENS})
