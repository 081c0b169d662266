"""Files of the study as tables: CSV as spreadsheets save it, checked, with one sentence for the first thing that is wrong."""

import csv
import io
import re
import unicodedata
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pandera.pandas as pa

from .. import Notice, UserError

_TEXT = pa.Column(str, [pa.Check(lambda s: s.str.strip().str.len() > 0, error="is empty")])


def _checked(
    path: Path,
    columns: Sequence[str],
    rules: Sequence[tuple[str, str, Callable[..., Any]]],
    optional: Sequence[str] = (),
) -> pd.DataFrame:
    """The rows of a file, of which every rule holds; the index is `read_csv`'s."""
    table = _filled(path, columns, optional)
    for column, problem, rule in rules:
        wrong = [i for i, good in enumerate(rule(table)) if not good]
        if wrong:
            cell = table[column].iloc[wrong[0]]
            raise UserError(
                f"{path}, row {table.index[wrong[0]] + 2}, column {column!r}: {cell!r} {problem}."
            )
    return table


def read_csv(path: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> pd.DataFrame:
    """A CSV file as text, with exactly these columns, separated by commas, semicolons or tabs, as its header is.

    It may have the columns of `optional` too; where it has not, their cells are empty.

    What spreadsheets add is no part of it: a byte-order mark, a line "sep=;", empty rows, empty cells behind the last column,
    spaces around a cell.  Accents are composed (NFC), as tokenizers read them; a `Notice` says so where that changed anything.
    The index counts rows of the file below its header from 0, also those that are left out.

    Raises:
        UserError: it is not there, cannot be read, has other columns, or a row with more cells than the header.
    """
    exactly = "the columns" if optional else "exactly the columns"
    besides = f" (and may have {' and '.join(optional)})" if optional else ""
    needed = f"must have {exactly} {', '.join(columns)}{besides}, separated by commas"
    allowed = [*columns, *optional]
    try:
        text = re.sub(
            r"\Asep=.\n", "", Path(path).read_text(encoding="utf-8-sig"), flags=re.IGNORECASE
        )
        separator = max(
            ",;\t", key=(text.lstrip().splitlines() or [""])[0].count
        )  # a comma where there is none
        cells = [
            _trimmed(row)
            for row in csv.reader(
                io.StringIO(composed(text, path)),
                delimiter=separator,
                skipinitialspace=True,
                strict=True,
            )
        ]
    except OSError:
        raise UserError(f"There is no file {path} that can be read; it {needed}.") from None
    except UnicodeDecodeError as error:
        row = error.object[: error.start].count(b"\n") + 1
        raise UserError(
            f'{path}, row {row} has letters that are not written in UTF-8; save it as "CSV UTF-8".'
        ) from None
    except csv.Error as error:
        raise UserError(
            f"{path} is not a readable CSV file ({str(error).strip()}); it {needed}."
        ) from None
    if not any(cells):
        raise UserError(f"{path} is not a readable CSV file (it is empty); it {needed}.")
    header = cells[0]
    _check_header(path, header, columns, allowed, needed)
    rows = {i: line for i, line in enumerate(cells[1:]) if line}
    for i, line in rows.items():
        if len(line) > len(header):
            raise UserError(
                f"{path}, row {i + 2} has {len(line)} cells for {len(header)} columns; put text that contains {separator!r} in quotes."
            )
    filled = [line + [""] * (len(header) - len(line)) for line in rows.values()]
    table = pd.DataFrame(filled, columns=header, index=list(rows), dtype=str)
    return table.reindex(columns=allowed, fill_value="")


def _check_header(
    path: Path, header: list[str], columns: Sequence[str], allowed: Sequence[str], needed: str
) -> None:
    """Refuse a header that lacks a column, has one that is not allowed, or has one twice."""
    missing = [c for c in columns if c not in header]
    unknown = [c for c in header if c not in allowed]
    twice = sorted({c for c in header if header.count(c) > 1})
    if missing or unknown or twice:
        named = f", columns named twice {twice}" if twice and not (missing or unknown) else ""
        raise UserError(
            f"{path} {needed}; missing columns {missing}, unknown columns {unknown}{named}."
        )


def _trimmed(row: list[str]) -> list[str]:
    """A row without blanks around its cells and without the empty cells at its end."""
    row = [cell.strip() for cell in row]
    while row and not row[-1]:
        row.pop()
    return row


def composed(text: str, where: Path | str) -> str:
    """The text with its accents composed (NFC), and a `Notice` where that changed it: "i" and an accent are two signs, "í" is one."""
    found = unicodedata.normalize("NFC", text)
    if found != text:
        warnings.warn(
            f"{where}: accents that stood beside their letters were joined to them (Unicode NFC), as tokenizers read them.",
            Notice,
            stacklevel=2,
        )
    return found


def _filled(path: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> pd.DataFrame:
    """`read_csv` of a file of which no cell is empty but those of optional columns."""
    table = read_csv(path, columns, optional)
    if table.empty:
        raise UserError(f"{path} has no prompts below its header.")
    try:
        return pa.DataFrameSchema(dict.fromkeys(columns, _TEXT)).validate(table)
    except pa.errors.SchemaError as error:
        row, column = (
            int(error.failure_cases["index"].iloc[0]),
            error.schema.name,
        )  # the index counts rows of the file
        raise UserError(f"{path}, row {row + 2}, column {column!r} is empty.") from None
