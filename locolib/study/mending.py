"""Rendered pages mended: what stands in the way of screen readers and of small screens."""

import re

# What theme, docutils and myst-nb write that stands in the way of screen readers and of those who speak to their computer.
MENDS = (
    (
        r'(<button class="btn search-button-field[^>]*) aria-label="Search"',
        r"\1",
    ),  # its visible text says more than this
    (
        r'<summary aria-label="Toggle hidden content">',
        "<summary>",
    ),  # the same: "Show code cell source"
    (
        r'(<i class="theme-switch [^>]*?) +title="[^"]*"',
        r"\1",
    ),  # a title is text as well; the name is another
    (
        r'(>([^<"]+)</a><details[^>]*><summary)>',
        r'\1 aria-label="Pages below: \2">',
    ),  # in the sidebar; they had no name at all
    (
        r'(<div class="sidebar-primary-items__start sidebar-primary__section")>',
        r'\1 role="region" aria-label="The book">',
    ),  # its title and search stood outside all landmarks
    (
        r'role="doc-biblioentry"',
        'role="listitem"',
    ),  # only these may stand in an element with the role of a list
    (
        r"<script>const THEBE_JS_URL[^<]*</script>",
        "",
    ),  # it comes twice, which is an error, and would load a script from elsewhere; no page has its button
    (r'<script[^>]*src="[^"]*/sphinx-thebe\.js[^"]*"></script>', ""),
)
EMPTY = r'<th(?: class="[^"]*")?\s*>(?:\s|&nbsp;)*</th>'  # a head that says nothing is none


BOX = '<div class="pst-scrollable-table-container loco-table">'


TABLE = rf'(?<!{BOX})<table(?=[^>]* (?:class="dataframe|id="T_))([^>]*)>(.*?)</table>'  # of pandas, as it is or styled; in no box yet


MANY = 8  # columns of a table that needs small letters
HASHED = r"@[0-9a-f]{16}\b"  # a source with its fingerprint, which breaks nowhere by itself


def mended(text: str) -> str:
    """A page of the site with the accessibility of what surrounds it mended (`MENDS`), and its tables of numbers in boxes."""
    for wrong, right in MENDS:
        text = re.sub(wrong, right, text)
    return re.sub(TABLE, _boxed, text, flags=re.S)


def _boxed(table: re.Match[str]) -> str:
    """A table of pandas in a box of its own, which a keyboard can scroll by the theme's script, and called as the theme calls those of text."""
    head, body = re.sub(r' class="[^"]*"', "", table[1]), re.sub(EMPTY, "<td></td>", table[2])
    columns = max(
        (
            len(re.findall(r"<t[dh]\b", row))
            for row in re.findall(r"<tr\b.*?</tr>", body, flags=re.S)
        ),
        default=0,
    )
    kind = " many" if columns >= MANY else " hashes" if re.search(HASHED, body) else ""
    return f'{BOX}<table class="dataframe{kind}"{head}>{body}</table></div>'
