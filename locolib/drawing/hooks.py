"""Reading and replacing what modules give, for as long as a ``with`` block lasts; no trace is left (Section 4)."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn


@contextmanager
def replacing(module: nn.Module, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """``with replacing(module, change):`` what `module` gives passes through `change` (of a tuple: its first member)."""

    def hook(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        return (change(output[0]), *output[1:]) if isinstance(output, tuple) else change(output)

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def recording(
    modules: Mapping[str, nn.Module], *, inputs: bool = False
) -> Iterator[dict[str, Tensor]]:
    """``with recording({"a": module}) as states:`` then ``states["a"]`` is what `module` gave last (or what it was given)."""
    states: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[..., Any]:
        def hook(_module: nn.Module, given: Any, output: Any) -> None:
            found = given[0] if inputs else output[0] if isinstance(output, tuple) else output
            states[name] = found.detach()

        return hook

    handles = [module.register_forward_hook(keep(name)) for name, module in modules.items()]
    try:
        yield states
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def copying(
    module: nn.Module, pairs: Iterable[tuple[int, int]], positions: Iterable[int] | None = None
) -> Iterator[None]:
    """Rows of what `module` gives are copied within the batch: (from, to), at some token positions or everywhere.

    The clean row rides in the same batch as the corrupted ones, so nothing need be stored and all rows see the same step.
    """
    donors, takers = (list(rows) for rows in zip(*pairs))
    where = slice(None) if positions is None else list(positions)

    def change(output: Tensor) -> Tensor:
        output = output.clone()
        for donor, taker in zip(donors, takers):
            output[taker, where] = output[donor, where]
        return output

    with replacing(module, change):
        yield


@contextmanager
def all_of(contexts: Iterable[AbstractContextManager[Any]]) -> Iterator[None]:
    """Enter several contexts, leave them all."""
    with ExitStack() as stack:
        for context in contexts:
            stack.enter_context(context)
        yield
