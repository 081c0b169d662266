"""Tables behind a fold, and as files to download."""

import base64
import html

import pandas as pd
from IPython.display import HTML


def kept(table: pd.DataFrame, name: str) -> HTML:
    """A table behind a fold: its numbers rounded, and a link to all of it as CSV (UTF-8), which lies in the page itself."""
    data = base64.b64encode(table.to_csv(index=False).encode()).decode()
    shown = table.to_html(
        index=False, border=0, na_rep="–", float_format=lambda number: f"{number:.4g}"
    )
    told = html.escape(name)
    return HTML(
        f"<details><summary>The figure's {len(table)} rows as a table</summary>{shown}"
        f'<a download="{told}.csv" href="data:text/csv;charset=utf-8;base64,{data}">Download the table: {told}.csv</a></details>'
    )


def download(table: pd.DataFrame, name: str) -> HTML:
    """A link to the data behind a figure, which lies in the page itself (a CSV file of a few kB)."""
    data = base64.b64encode(table.to_csv(index=False).encode()).decode()
    return HTML(
        f'<a download="{name}.csv" href="data:text/csv;base64,{data}">Data of the figure: {name}.csv</a> ({len(table)} rows)'
    )
