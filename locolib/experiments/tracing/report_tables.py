"""Tables of the page on causal tracing: by attribute and kind of state, what was restored, how often the rules are wrong."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ...models import Spec
from ...scores import columns, interval
from . import restoring
from .report import traced
from .states import State, of_spec


def by_kind(table: pd.DataFrame, chosen: Sequence[State]) -> pd.DataFrame:
    """A row for each attribute and kind of state, without the output stream; none where nothing was lost.

    Returns:
        attribute, states, restored (how many), causal (the part that is causal for a prompt), random (share of one at random),
        top (share of the best one, chosen by this very number), each with _low and _high; best, n, unit.
    """
    rows, judged = [], [state for state in chosen if not state.output]
    for where, kind in dict.fromkeys((state.where, state.kind) for state in judged):
        states = [state for state in judged if (state.where, state.kind) == (where, kind)]
        for one in traced(table, states):
            top = one.shares.iloc[one.top]
            if np.isfinite(top.share):
                rows.append(
                    {
                        "attribute": one.attribute,
                        "states": f"{kind}, {where} token{'s' * (where == 'all')}"
                        if where
                        else kind,
                        "restored": len(states),
                        "best": top.state,
                        **columns({"causal": one.part, "random": one.random, "top": interval(top)}),
                        "n": int(top.units),
                        "unit": top.unit,
                    }
                )
    return pd.DataFrame(rows)


def best(table: pd.DataFrame, chosen: Sequence[State]) -> list[State]:
    """The state with the largest share, on average over attributes, of each kind and place in `chosen`."""
    shares = restoring.indirect(table, chosen).groupby("state", sort=False).share.mean()
    kinds = [(state.where, state.kind, state.output) for state in chosen]
    found = np.nan_to_num([shares[state.name] for state in chosen], nan=-np.inf)
    return [
        chosen[max((i for i, one in enumerate(kinds) if one == kind), key=lambda i: found[i])]
        for kind in dict.fromkeys(kinds)
    ]


def restored(spec: Spec, chosen: Sequence[State]) -> pd.DataFrame:
    """A row for each kind of the UNet's states: how many there are, how many of them are restored, and which are left out."""
    kept = {state.path for state in chosen}
    rows: dict[str, dict[str, list[str]]] = {}
    for state in of_spec(spec):
        kind = f"{state.kind} on the output stream" if state.output else state.kind
        part = rows.setdefault(kind, {"restored": [], "left out": []})
        part["restored" if state.path in kept else "left out"].append(str(state.index))
    return pd.DataFrame(
        {
            "states": kind,
            "restored": f"{len(part['restored'])} of {len(part['restored']) + len(part['left out'])}",
            "left out (position)": ", ".join(part["left out"]) or "none",
        }
        for kind, part in rows.items()
    )
