"""The command ``locolib live``: export the models of the live page, and put them into the site where there is one."""

from pathlib import Path
from typing import Annotated

import typer


def live(
    root: Annotated[
        Path, typer.Option(help="Folder of what is built: the export goes to its live/.")
    ] = Path("build"),
    force: Annotated[bool, typer.Option(help="Export again, whatever is there.")] = False,
) -> None:
    """Export the models that draw in the reader's browser, and renew them in the site."""
    from . import export, placing

    folder = root / "live"
    if force:
        (folder / export.MANIFEST).unlink(missing_ok=True)
    manifest = export.made(folder)
    for name, told in manifest["models"].items():
        size = sum(part["bytes"] for part in told["parts"].values())
        typer.echo(f"{name}: {size / 1e6:.1f} MB, {len(told['edits'])} edits")
    typer.echo(
        f"{folder}: {manifest['bytes'] / 1e6:.1f} MB of models, {manifest['runtime']['bytes'] / 1e6:.1f} MB of runtime"
    )
    if (root / "site" / "index.html").exists():
        placing.place(folder, root / "site")
        typer.echo(f"{root / 'site' / placing.PLACE}: renewed")
