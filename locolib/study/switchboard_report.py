"""The switchboard as tables, figures and sentences."""

from collections.abc import Collection, Mapping

import pandas as pd
from matplotlib.figure import Figure

from .. import scores
from ..figures import forest
from .switchboard import DIFFERENCE, READINGS, Row


def table(rows: Mapping[tuple[str, str], Row]) -> pd.DataFrame:
    """Rows by (model, switch) in words."""
    index = pd.MultiIndex.from_tuples(rows, names=["model", "switch"])
    return pd.DataFrame(list(rows.values()), index=index).drop(columns=["switch", "values"])


def readings(rows: Mapping[tuple[str, str], Row]) -> pd.DataFrame:
    """What the paper says and what the code does, a row for each switch."""
    return (
        pd.DataFrame(list(rows.values()))[["switch", *READINGS]]
        .drop_duplicates()
        .set_index("switch")
    )


def numbers(rows: Mapping[tuple[str, str], Row]) -> pd.DataFrame:
    """Results in numbers, a row for each model, switch and reading and one for their paired difference: name, unit, value with _low and _high, counted."""
    return pd.DataFrame(
        [
            {
                "model": model,
                "name": f"{switch}: {v.what}" if v.what else switch,
                "unit": v.unit,
                "reading": reading,
                "counted": v.counted,
            }
            | scores.columns({"value": found})
            for (model, switch), row in rows.items()
            for v in row["values"]
            for reading, found in zip(
                (*READINGS, DIFFERENCE), (v.paper, v.other, v.difference), strict=True
            )
        ]
    )


def figure(
    rows: Mapping[tuple[str, str], Row], unit: str, *, what: str, title: str, scorer: str
) -> Figure:
    """Both readings of every switch whose results have this unit, a panel for each model."""
    table = numbers(rows)
    table = table[(table.unit == unit) & (table.reading != DIFFERENCE)]
    wide, parts = table[["name", "reading"]].drop_duplicates(), {}
    for model, part in table.groupby("model", sort=False):
        ends = {f"value{end}": f"{model}{end}" for end in ("", "_low", "_high")}
        wide = wide.merge(part[["name", "reading", *ends]].rename(columns=ends), how="left")
        parts[model] = f"{model}: {what}, n = {', '.join(dict.fromkeys(part.counted))}"
    return forest(wide, parts=parts, title=title, scorer=scorer, group="reading", n=None)


def phrase(captions: Collection[str], said: str, part: str) -> str:
    """How many of the captions that a model was trained on hold a phrase, and how many a part of it."""
    whole, some = (sum(words in text for text in captions) for words in (said, part))
    return f"Of {len(captions)} captions {whole} hold “{said}” and {some} hold “{part}”."


def short(rows: Mapping[tuple[str, str], Row]) -> str:
    """How many switches surely move something, in a clause: the interval of a paired difference has no 0 in it."""
    table = numbers(rows)
    sure = table[(table.reading == DIFFERENCE) & ((table.value_low > 0) | (table.value_high < 0))]
    moved = sure.name.str.split(":").str[0].unique()
    switches = {switch for _, switch in rows}
    return (
        f"of {len(switches)} steps that can be taken in two ways {len(moved)} surely change a number in one model at least"
        + (f": {', '.join(moved)}" if len(moved) else "")
    )


def words(rows: Mapping[tuple[str, str], Row]) -> str:
    """The difference that each switch makes, model by model."""
    switches = dict.fromkeys(switch for _, switch in rows)
    return "\n".join(
        f"- **{switch}**: "
        + "; ".join(
            f"{model}: {row[DIFFERENCE]}" for (model, name), row in rows.items() if name == switch
        )
        + "."
        for switch in switches
    )
