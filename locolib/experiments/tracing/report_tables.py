"""Tables of the page on causal tracing: by kind of state, by attribute."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ...scores import Interval, columns
from . import restoring
from .report import STRONG
from .restoring import CLEAN
from .states import State


def by_kind(table: pd.DataFrame, chosen: Sequence[State]) -> pd.DataFrame:
    """A row for each kind of state: how many are causal and strong, the share of one at random and of the best, with _low and _high."""
    rows = []
    for where, kind in dict.fromkeys((state.where, state.kind) for state in chosen):
        part = [state for state in chosen if (state.where, state.kind) == (where, kind)]
        shares = restoring.indirect(table, part)
        above = int((shares.share_low > 0).sum())
        rows.append(
            {
                "states": f"{kind}, {where} token{'s' * (where == 'all')}" if where else kind,
                "restored": len(part),
                "above 0": above,
                f"above {STRONG}": int((shares.share_low > STRONG).sum()),
                "said": f"{above} of {len(part)} above 0",
            }
            | _random_and_best(table, part, shares)
        )
    return pd.DataFrame(rows)


def _random_and_best(
    table: pd.DataFrame, chosen: Sequence[State], shares: pd.DataFrame
) -> dict[str, Any]:
    """Columns on some states: the share to expect of one at random, the best one and its share (none where nothing was lost)."""
    top = shares.loc[shares.share.idxmax() if shares.share.notna().any() else 0]
    found = {
        "random": restoring.at_random(table, chosen),
        "top": Interval(value=top.share, low=top.share_low, high=top.share_high),
    }
    return (
        {"best": top.state if np.isfinite(top.share) else "not defined"}
        | columns(found)
        | {"n": int(top.units), "unit": top.unit}
    )


def best(table: pd.DataFrame, chosen: Sequence[State]) -> list[State]:
    """The state with the largest share of each kind and place in `chosen`."""
    shares = restoring.indirect(table, chosen)
    found = (
        shares.share.fillna(-np.inf).groupby([shares["where"], shares.kind], sort=False).idxmax()
    )
    return [chosen[i] for i in found]


def by_attribute(table: pd.DataFrame, chosen: Sequence[State]) -> pd.DataFrame:
    """A row for each attribute of 8 images or more: what was lost, what a state at random and the best one bring back, with _low and _high."""
    rows = []
    for name, part in table.groupby("attribute", sort=False):
        if len(part[part.state == CLEAN]) >= restoring.MANY:
            found = _random_and_best(part, chosen, restoring.indirect(part, chosen))
            rows.append(
                {"attribute": name, "said": f"best: {found['best']}"}
                | columns({"lost": restoring.lost(part)})
                | found
            )
    return pd.DataFrame(rows)
