"""What typer does not do by itself: the order of several options, and an option whose value may be
left out.
"""

from typing import Any

from typer.core import TyperCommand

_ORDER = "wan.order"


class InTypedOrder(TyperCommand):
    """A command that remembers the order in which its options were typed: see `typed_order`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Ask the parser for the order too, which typer drops."""
        _, _, order = self.make_parser(ctx).parse_args(list(args))
        ctx.meta[_ORDER] = [one.name for one in order]
        return super().parse_args(ctx, args)


class OptionalZipName(TyperCommand):
    """A command whose `--zip` may stand without a name, which is "" then."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the empty name where none follows."""
        given = []
        for arg, following in zip(args, [*args[1:], "--"], strict=True):
            given += [arg, ""] if arg == "--zip" and following.startswith("-") else [arg]
        return super().parse_args(ctx, given)


def typed_order(ctx: Any, *names: str) -> list[tuple[str, Any]]:
    """The values of options that may be repeated, in the order in which they were typed, each with
    the name of its option.
    """
    values = {name: iter(ctx.params[name] or ()) for name in names}
    return [(name, next(values[name])) for name in ctx.meta[_ORDER] if name in values]


def number(text: str) -> int | float | str:
    """A number where it is one; anything else is left for the request to refuse."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def job_id(text: str) -> str:
    """An id; what is no text becomes some that no id is."""
    return text.encode(errors="replace").decode()
