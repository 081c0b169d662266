"""The options of ``locolib edit``: what they are called and say, and what of them is refused before any work."""

from pathlib import Path
from typing import Annotated

import typer

from .. import UserError
from ..models import ORGANISMS, Spec

METHODS = {
    "spares": "LocoEdit with rows that must stay (ours)",
    "locoedit": "LocoEdit by the tokens that do it with the smallest change",
    "paper": "LocoEdit as the paper has it: the subject's last token",
}
KINDS = {
    "lora": "a small file for diffusers' load_lora_weights",
    "kohya": "the same with kohya's names, for web interfaces that do not read diffusers'",
    "pipeline": "a whole folder",
}

# What the options are called and say; the command's own signature stays readable.
Attribute = Annotated[str, typer.Option(help="style, object, fact or place.")]
Value = Annotated[
    str, typer.Option(help="What is edited away or updated, such as 'van gogh' or 'snoopy'.")
]
Out = Annotated[Path, typer.Option(help="Folder to write.")]
Layers = Annotated[
    str,
    typer.Option(
        help="auto: where LocoGen finds the attribute (quick profile); or 8-9, or 6,8-9, or all."
    ),
]
Method = Annotated[
    str, typer.Option(help="; ".join(f"{name}: {what}" for name, what in METHODS.items()) + ".")
]
Keys = Annotated[
    str,
    typer.Option(
        help="Which give the keys: auto (what fits the method), subject, last (the authors' code), onward, eos or all."
    ),
]
Lambda = Annotated[float, typer.Option("--lambda", help="Of the closed form; the paper's is 0.01.")]
Prompts = Annotated[Path | None, typer.Option(help="CSV of prompts instead of the study's own.")]
Kind = Annotated[
    str,
    typer.Option("--as", help="; ".join(f"{name}: {what}" for name, what in KINDS.items()) + "."),
]
Pictures = Annotated[
    int,
    typer.Option(
        help="Pictures, before and after, for each of the three questions by which the edit is judged."
    ),
]
Force = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Write the edit even if it does not do what was asked, and over what is in its folder.",
    ),
]


def check_options(method: str, tokens: str, kind: str, pictures: int) -> None:
    """Refuse options that do not go together, before anything is read."""
    from ..drawing.text import check_tokens

    if kind not in KINDS:
        raise UserError(f"--as must be one of {', '.join(KINDS)}, not {kind!r}.")
    if method not in METHODS:
        raise UserError(f"--method must be one of {', '.join(METHODS)}, not {method!r}.")
    if method == "paper" and tokens not in ("auto", "subject"):
        raise UserError(
            f"--method paper takes the subject's last token; --method locoedit takes --tokens {tokens}."
        )
    if pictures < 1:
        raise UserError(
            f"--pictures must be at least 1, not {pictures}: an edit is judged before it is written."
        )
    if tokens != "auto":
        check_tokens(tokens)


def check_place(out: Path, kind: str, spec: Spec, source: str | Path | None, force: bool) -> None:
    """Refuse to write over a model, ever, and without `force` over another edit.

    Raises:
        UserError: `out` is where the model is loaded from, or has weights already; or the model has no kohya names.
    """
    if kind == "kohya" and spec.pipeline == "IFPipeline":
        raise UserError(
            f"--as kohya names parts of Stable Diffusion, and {spec.name} is none; take --as lora."
        )
    place = out.resolve()
    places = [Path(source)] if source else [ORGANISMS / name for name in spec.sources]
    own = {found.resolve() for found in places if found.exists()}
    own |= {found.parent for found in own if found.is_file()}
    if any(place == found or found in place.parents for found in own) or ORGANISMS.resolve() in (
        place,
        *place.parents,
    ):
        raise UserError(
            f"{out} is where a model itself lies, which an edit never overwrites; name another folder by --out."
        )
    there = (*out.glob("*.safetensors"), *out.glob("model_index.json"))
    if there and not force:
        raise UserError(
            f"{out} has {there[0].name} already; name another folder by --out, or overwrite it by --force."
        )
