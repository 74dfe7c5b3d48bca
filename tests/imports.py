"""Which module of the package imports which, read from the source."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.conftest import ROOT


def modules(root: Path = ROOT) -> dict[str, Path]:
    """Every module of the product by its dotted name; `app` is the one that is started."""
    found = {"app": root / "app.py"}
    for path in sorted((root / "wan").rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, name: str, known: dict[str, Path]) -> Iterator[str]:
    """What a module imports: modules of the product by their whole name, the first part of all
    others.
    """
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(_parsed(path)):
        if isinstance(node, ast.Import):
            for one in node.names:
                yield _nearest(one.name, known)
        elif isinstance(node, ast.ImportFrom):
            base = (
                ".".join(package.split(".")[: len(package.split(".")) - node.level + 1])
                if node.level
                else ""
            )
            source = ".".join(part for part in (base, node.module) if part)
            for one in node.names:
                yield _nearest(f"{source}.{one.name}", known)


def graph(root: Path = ROOT) -> dict[str, set[str]]:
    """For each module all that it imports but itself."""
    known = modules(root)
    return {name: set(imports(path, name, known)) - {name} for name, path in known.items()}


def circles(arrows: dict[str, set[str]]) -> list[set[str]]:
    """Groups of modules that import each other, directly or by way of others."""
    reached = {name: _reach(name, arrows) for name in arrows}
    groups = {
        frozenset(other for other in arrows if other in reached[name] and name in reached[other])
        for name in arrows
    }
    return [set(group) for group in groups if len(group) > 1]


def room(name: str) -> str:
    """The part of the package that a module belongs to: the second part of its name."""
    return ".".join(name.split(".")[:2])


def _reach(start: str, arrows: dict[str, set[str]]) -> set[str]:
    seen, ahead = {start}, [start]
    while ahead:
        for name in arrows.get(ahead.pop(), set()) - seen:
            seen.add(name)
            ahead.append(name)
    return seen


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _nearest(name: str, known: dict[str, Path]) -> str:
    """The module in which a name stands; of what is not the product's the first part."""
    if name.split(".")[0] not in ("wan", "app"):
        return name.split(".")[0]
    while name not in known:
        name = name.rpartition(".")[0]
    return name
