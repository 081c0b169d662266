"""What the page on DeepFloyd's limits says (Section 6.2, App. M), for a bidirectional and a causal encoder."""

from collections.abc import Mapping

import pandas as pd
from torch import Tensor

from ...claims import FAILED, HELD, OPEN, Claim, above, settled
from ...drawing.text import TOKENS, Tokens
from ...scores import Interval, interval
from ..locogen import Sweep, label
from . import reading
from .reading import BUT_LAST, LAST

LITTLE = 0.05  # a share below which positions carry nothing to speak of


def words(tried: Mapping[str, pd.DataFrame], titles: Mapping[str, str]) -> str:
    """What each choice of tokens does in each model."""
    lines = []
    for name, table in tried.items():
        at = table.set_index("name")
        each = "; ".join(
            f"{tokens}: {interval(at.loc[tokens])}, target picked {interval(at.loc[tokens], 'target')}"
            for tokens in TOKENS
        )
        lines.append(
            f"- **{titles[name]}** (n = {int(table.images.iloc[0])} images; altering the located layers: target picked "
            f"{interval(at.iloc[0], 'target')}): {each}."
        )
    return "\n".join(lines)


def position_words(carried: Mapping[str, pd.DataFrame], titles: Mapping[str, str]) -> str:
    """Which positions carry the style."""
    return "\n".join(
        f"- **{titles[name]}** (the other artist: {table.other.iloc[0]}; n = {int(table.units.iloc[0])}): "
        + "; ".join(f"{row['group']} {interval(row)}" for _, row in table.iterrows())
        + "."
        for name, table in carried.items()
    )


def worked(share: Interval, target: Interval, altered: float) -> str:
    """Whether an edit removes the style and leaves the rest: surely more than half of what altering the same layers removes, and the
    target surely picked more than half as often as there (`altered`).

    It does not where either is surely less.
    """
    half = altered / 2
    return settled(share.low > 0.5 and target.low > half, share.high < 0.5 or target.high < half)


def works(table: pd.DataFrame, tokens: str) -> str:
    """`worked` of LocoEdit with these tokens, from a table of `reading.by_tokens`."""
    row = table.set_index("name").loc[tokens]
    return worked(interval(row), interval(row, "target"), float(table.target.iloc[0]))


def carry(share: Interval) -> str:
    """Whether positions carry most of an attribute: their share is surely more than half."""
    return above(share, 0.5)


def premise(done: Sweep) -> tuple[bool, str]:
    """Whether LocoGen confirmed the window at which is edited, and what it said of it, in words."""
    said = (
        f"LocoGen's window {label(done.found)}: {done.verdict.verdict}, share {done.verdict.share}"
    )
    return done.localised, said


def claims(
    tried: Mapping[str, pd.DataFrame],
    carried: Mapping[str, pd.DataFrame],
    maps: Mapping[str, tuple[Tensor, list[str]]],
    sweeps: Mapping[str, Sweep],
    model: str,
    beside: str,
) -> list[Claim]:
    """The paper's claims of Section 6.2 and App. M, each judged by what was measured; the causal model is the control."""
    pair = model, beside
    return [
        *_of_edits(tried, sweeps, *pair),
        _of_attention(maps, *pair),
        *_of_positions(carried, *pair),
    ]


def _shares(
    tables: Mapping[str, pd.DataFrame], row: str, model: str, beside: str
) -> dict[str, str]:
    """Number and control of a claim: a row's share in both models."""
    one, other = (interval(tables[name].loc[row]) for name in (model, beside))
    return {"number": f"share {one}", "control": f"causal model {other}"}


def _of_edits(
    tried: Mapping[str, pd.DataFrame], sweeps: Mapping[str, Sweep], model: str, beside: str
) -> list[Claim]:
    """Whether LocoEdit fails where it should, and works where it should.

    The paper edits at locations that LocoGen identified; where it confirmed none, nothing is settled by what edits do there.
    """
    at = {name: table.set_index("name") for name, table in tried.items()}
    both, causal = (
        {tokens: works(tried[name], tokens) for tokens in TOKENS} for name in (model, beside)
    )
    (met, said), (met_beside, said_beside) = (premise(sweeps[name]) for name in (model, beside))
    numbers = _shares(at, "subject", model, beside)

    def listed(of: Mapping[Tokens, str]) -> str:
        yes, open_ = ([t for t, known in of.items() if known == answer] for answer in (HELD, OPEN))
        return f"works with: {', '.join(yes) or 'none'}; not settled: {', '.join(open_) or 'none'}"

    last = settled(
        both["subject"] == FAILED and causal["subject"] == HELD,
        both["subject"] == HELD or causal["subject"] == FAILED,
    )
    any_ = settled(set(both.values()) == {FAILED}, HELD in both.values())
    return [
        Claim(
            text="LocoEdit of the subject's last token fails in the bidirectional model and works in the causal one",
            section="6.2, App. M",
            number=f"{numbers['number']} ({said})",
            control=f"{numbers['control']} ({said_beside})",
            outcome=last if met and met_beside else OPEN,
        ),
        Claim(
            text="no choice of tokens makes LocoEdit work in the bidirectional model",
            section="App. M, Fig. 61",
            number=f"{listed(both)} ({said})",
            control=f"causal model {listed(causal)} ({said_beside})",
            outcome=any_ if met else OPEN,
        ),
    ]


def _of_attention(maps: Mapping[str, tuple[Tensor, list[str]]], model: str, beside: str) -> Claim:
    """Whether the encoders look ahead."""
    one, other = (float(reading.looking_ahead(maps[name][0]).mean()) for name in (model, beside))
    return Claim(
        text="the bidirectional encoder looks at later tokens, the causal one does not",
        section="App. M, Fig. 62",
        number=f"{one:.2f} of the attention",
        control=f"causal model {other:.2f}",
        outcome=settled(one > 0.05 and other < 1e-6, True),
    )


def _of_positions(carried: Mapping[str, pd.DataFrame], model: str, beside: str) -> list[Claim]:
    """Which tokens carry the attribute."""
    group = {name: table.set_index("group") for name, table in carried.items()}
    others, before = (interval(group[model].loc[name]) for name in (BUT_LAST, "before the subject"))
    last = interval(group[beside].loc[LAST])
    units, artist = int(carried[model].units.iloc[0]), "prompts of one artist"
    return [
        Claim(
            text="tokens other than the subject's last one carry the attribute in the bidirectional model",
            section="6.2",
            number=f"share {others}, of all of them together (n = {units} {artist})",
            control=f"the last one alone {interval(group[model].loc[LAST])}; causal model {interval(group[beside].loc[BUT_LAST])}",
            outcome=carry(others),
        ),
        Claim(
            text="tokens before the subject carry the attribute too in the bidirectional model",
            section="ours",
            **_shares(group, "before the subject", model, beside),
            outcome=above(before, LITTLE),
        ),
        Claim(
            text="the subject's last token carries the attribute in the causal model",
            section="6.2",
            number=f"share {last} (n = {int(carried[beside].units.iloc[0])} {artist})",
            control=f"bidirectional model {interval(group[model].loc[LAST])}",
            outcome=carry(last),
        ),
    ]
