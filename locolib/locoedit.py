"""LocoEdit (Section 6.1): the keys and values of a few layers made to treat one phrase as another, in closed form.

Which text states are the keys is a choice (`text.TOKENS`): the paper says the subject's last token; the authors' code takes the
prompt's last one.
"""

from collections.abc import Sequence

from .edits import Edit, closed_form, told
from .models import Model
from .prompts import Prompt
from .text import Tokens

LAMBDA = 0.01  # lambda_K and lambda_V of App. H


def locoedit(
    model: Model, prompts: Sequence[Prompt], layers: Sequence[int], *, tokens: Tokens = "subject", lambda_: float = LAMBDA,
) -> Edit:
    """W_K and W_V of `layers` such that each original prompt acts there like its target (Section 6.1).

    Prompts of several attributes or values together are one edit of all of them.

    Raises:
        UserError: no prompts, a layer outside the model, unknown tokens, lambda not above 0.
    """
    return closed_form(model, "LocoEdit", told(model, prompts, tokens), layers, lambda_)
