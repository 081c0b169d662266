"""Tables behind a fold, and as files to download."""

import base64
import html

import pandas as pd
from IPython.display import HTML


def _link(table: pd.DataFrame, name: str, words: str) -> str:
    """A link to a table as CSV (UTF-8), which lies in the page itself (a few kB)."""
    data = base64.b64encode(table.to_csv(index=False).encode()).decode()
    told = html.escape(name)
    href = f"data:text/csv;charset=utf-8;base64,{data}"
    return f'<a download="{told}.csv" href="{href}">{words}: {told}.csv</a>'


def kept(table: pd.DataFrame, name: str) -> HTML:
    """A table behind a fold: its numbers rounded, and a link to all of it."""
    shown = table.to_html(
        index=False, border=0, na_rep="–", float_format=lambda number: f"{number:.4g}"
    )
    fold = f"<summary>The figure's {len(table)} rows as a table</summary>"
    return HTML(f"<details>{fold}{shown}{_link(table, name, 'Download the table')}</details>")


def download(table: pd.DataFrame, name: str) -> HTML:
    """A link to the data behind a figure."""
    return HTML(f"{_link(table, name, 'Data of the figure')} ({len(table)} rows)")
