"""Words of a forest plot: names with their n and note, and the part of the title that says what n counts."""

import textwrap
from collections.abc import Collection, Sequence

import pandas as pd

_LETTERS = 26  # of a name, on a line; the axes keep more than half of the width


def _labels(
    rows: pd.DataFrame,
    names: Sequence[str],
    *,
    name: str,
    group: str | None,
    n: str | None,
    controls: Collection[str],
    note: str | None,
) -> list[str]:
    """Names as they stand at the left: wrapped, controls called so, with n where it differs and their note."""
    told = []
    for one in names:
        part = rows[rows[name] == one]
        said = textwrap.wrap(f"{one} (control)" if one in controls else str(one), _LETTERS) or [""]
        if n and not _n_of_groups(rows, group, n):
            said += textwrap.wrap(
                f"n = {', '.join(f'{number:g}' for number in (part[n] if part[n].nunique() > 1 else part[n].iloc[:1]))}",
                _LETTERS,
            )
        if note:
            said += [
                line
                for words in dict.fromkeys(part[note])
                if words
                for line in textwrap.wrap(str(words), _LETTERS)
            ]
        told.append("\n".join(said))
    return told


def _n_of_groups(rows: pd.DataFrame, group: str | None, n: str) -> bool:
    """Whether n can be said once, or once for each group."""
    return rows[n].nunique() == 1 or bool(group and (rows.groupby(group)[n].nunique() == 1).all())


def _counted(rows: pd.DataFrame, group: str | None, n: str | None, units: str) -> str:
    """The title's words about n: the number, or where the numbers stand."""
    if n is None:
        return ""
    if rows[n].nunique() == 1:
        return f"n = {rows[n].iloc[0]:g} {units}, "
    return f"n: {units}, see {'legend' if _n_of_groups(rows, group, n) else 'names'}, "
