"""Where in a prompt things stand: the subject's last token, the end of the text, the padding.

Positions come from the tokenizer, never from a literal: the paper's "last subject token" (Section 6.1) is the last token of
the subject, which in "Monet style painting of a person" is not the last token of the prompt (see FIDELITY in the book).
"""

from dataclasses import dataclass

from . import UserError
from .models import Model


@dataclass(frozen=True, kw_only=True)
class Positions:
    """Token positions of one prompt, counted from 0 with the start token.

    Attributes:
        subject: positions of the subject's tokens, in order.
        last_subject: the last of them.
        eos: position of the end-of-text token.
        pads: positions after it.
    """

    subject: tuple[int, ...]
    eos: int
    pads: tuple[int, ...]

    @property
    def last_subject(self) -> int:
        return self.subject[-1]


def token_ids(model: Model, prompt: str) -> list[int]:
    """Ids of a prompt as the text encoder receives it, padded to the tokenizer's length."""
    return model.token_ids([prompt])[0].tolist()


def positions(model: Model, prompt: str, subject: str) -> Positions:
    """Where `subject` stands in `prompt`; its last occurrence, if there are several.

    Raises:
        UserError: the subject's tokens do not occur, or lie behind the encoder's last position.
    """
    ids = token_ids(model, prompt)
    wanted = model.tokenizer(subject, add_special_tokens=False).input_ids
    eos = ids.index(model.tokenizer.eos_token_id)
    starts = [i for i in range(eos - len(wanted) + 1) if ids[i : i + len(wanted)] == wanted]
    if not wanted or not starts:
        raise UserError(f"The subject {subject!r} does not occur in {prompt!r} within {len(ids)} tokens; name words of the prompt.")
    return Positions(subject=tuple(range(starts[-1], starts[-1] + len(wanted))), eos=eos, pads=tuple(range(eos + 1, len(ids))))
