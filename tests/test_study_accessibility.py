"""Every page of a built site under axe-core, in a real browser: nothing that axe calls serious or critical."""

from pathlib import Path

import pytest

from locolib.study.mending import mended

# Closed dropdowns hide what is in them from axe as well, so all are opened first; at once, since text that fades in is pale.
OPEN = """() => {
  document.head.insertAdjacentHTML("beforeend", "<style>* { animation: none !important; transition: none !important; }</style>");
  document.querySelectorAll("details").forEach((box) => { box.open = true; });
  document.querySelectorAll(".toggle-hidden").forEach((box) => box.classList.remove("toggle-hidden"));
}"""
RUN = """async () => (await axe.run(document, { resultTypes: ["violations"] })).violations
  .filter((found) => ["serious", "critical"].includes(found.impact))
  .map((found) => `${found.id} (${found.impact}): `
    + found.nodes.map((node) => `${node.target.join(" ")} ${node.failureSummary}`).join(" | "))"""


def wrong(file: Path, context, axe: str) -> list[str]:
    """What axe finds serious or critical on one page."""
    page = context.new_page()
    page.goto(file.as_uri())
    page.evaluate(OPEN)
    page.evaluate(axe)
    found = page.evaluate(RUN)
    page.close()
    return found


@pytest.mark.parametrize(
    "written, says",
    [
        (
            '<button class="btn search-button-field x" aria-label="Search" title="a">',
            '<button class="btn search-button-field x" title="a">',
        ),
        (
            '<button class="btn search-button x" aria-label="Search">',
            '<button class="btn search-button x" aria-label="Search">',
        ),  # an icon alone
        (
            '<i class="theme-switch fa-sun" data-mode="light"  title="Light"></i>',
            '<i class="theme-switch fa-sun" data-mode="light"></i>',
        ),
        (
            '<a>Five models</a><details open="open"><summary><span>',
            '<a>Five models</a><details open="open"><summary aria-label="Pages below: Five models"><span>',
        ),
        (
            '<div class="sidebar-primary-items__start sidebar-primary__section">',
            '<div class="sidebar-primary-items__start sidebar-primary__section" role="region" aria-label="The book">',
        ),
        ('<summary aria-label="Toggle hidden content">\n<p>Show', "<summary>\n<p>Show"),
        (
            '<div class="citation" id="id2" role="doc-biblioentry">',
            '<div class="citation" id="id2" role="listitem">',
        ),
        (
            '<p></p><script>const THEBE_JS_URL = "x"; const a = "b"</script><p></p>',
            "<p></p><p></p>",
        ),
        ('<script async="async" src="../_static/sphinx-thebe.js?v=c1"></script><p></p>', "<p></p>"),
    ],
    ids=[
        "search",
        "icon",
        "theme",
        "sidebar",
        "landmark",
        "cell",
        "bibliography",
        "kernel",
        "its script",
    ],
)
def test_what_theme_and_docutils_write_is_mended(written, says):
    assert mended(written) == says == mended(says)


@pytest.mark.slow
@pytest.mark.parametrize("scheme, width", [("light", 1280), ("dark", 1280), ("light", 390)])
def test_no_page_has_a_serious_violation(browser, axe, site, scheme, width):
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    context.route(
        "http*://**", lambda route: route.abort()
    )  # the same with a network and without one
    files = [file for file in sorted(site.rglob("*.html")) if "_static" not in file.parts]
    found = {
        file.name: wrong(file, context, axe)
        for file in files
        if 'http-equiv="Refresh"' not in file.read_text()
    }
    assert len(found) > 10 and {name: said for name, said in found.items() if said} == {}
