"""The shape of the code, in figures: how much there is of it, how long its parts are, which parts
know which.

Lines of Python are counted as ruff formats them at 100 columns, whatever the project's own width
is, and a longer one as what it fills, so that two states can be compared. Statements of JavaScript
and CSS are counted in place of their lines, which may be packed. `--root DIR` measures another
checkout.
"""

import argparse
import ast
import asyncio
import io
import json
import math
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import tokenize
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests import plain_http
from tests.conftest import ROOT
from tests.imports import circles, graph, room

WIDTH = 100
_STRINGS = re.compile(
    r"/\*.*?\*/|//[^\n]*|`(?:\\.|[^`\\])*`|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.DOTALL
)
_COMMENTS = re.compile(r"/\*.*?\*/", re.DOTALL)
_BLOCKS = re.compile(r"\b(?:if|for|while|do|switch|try|function|class)\b|=>\s*\{")
_PUBLIC = 15  # methods of a class


@dataclass(frozen=True)
class Function:
    """A function: where it stands, and its lines."""

    place: str
    lines: int


def arguments(parser: argparse.ArgumentParser) -> None:
    """What can be said on the command line."""
    parser.add_argument(
        "--root", type=Path, default=ROOT, help="the checkout to measure (default: this one)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


async def run(root: Path, *, json: bool) -> int:
    """Prints the figures. They are no verdict, so that it always ends well."""
    figures = await asyncio.to_thread(measure, root)
    if json:
        print(_as_json(figures))
    else:
        for name, figure in figures.items():
            print(f"{name:46} {figure}")
    return 0


def measure(root: Path) -> dict[str, object]:
    """Every figure, by its name."""
    root = root.resolve()
    with tempfile.TemporaryDirectory(prefix="wan-shape-") as folder:
        return {
            **_python(_formatted(root, Path(folder))),
            **_arrows(root),
            **_assets(root),
            **_marks(root),
        }


def _formatted(root: Path, folder: Path) -> Path:
    """A copy of the product's Python at 100 columns."""
    for path in [root / "app.py", *sorted((root / "wan").rglob("*.py"))]:
        copy = folder / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    (folder / "ruff.toml").write_text(f'line-length = {WIDTH}\ntarget-version = "py311"\n')
    subprocess.run([ROOT / ".venv/bin/ruff", "format", "--quiet", folder], check=True)
    return folder


def _python(root: Path) -> dict[str, object]:
    files = {
        str(path.relative_to(root)): path.read_text(encoding="utf-8")
        for path in sorted(root.rglob("*.py"))
    }
    lines = {name: sum(map(_rows, text.splitlines())) for name, text in files.items()}
    trees = {name: ast.parse(text) for name, text in files.items()}
    functions = sorted(
        (one for name, tree in trees.items() for one in _functions(name, tree)),
        key=lambda one: one.lines,
    )
    lengths = [one.lines for one in functions]
    largest = [name for name in sorted(lines, key=lines.__getitem__) if "simulator" not in name]
    docstrings = sum(_docstrings(tree, files[name].splitlines()) for name, tree in trees.items())
    comments, code = map(sum, zip(*(_tokens(text) for text in files.values()), strict=True))
    return {
        "Python files": len(files),
        "Python lines": sum(lines.values()),
        "  of code": code - docstrings,
        "  of docstrings": docstrings,
        "  of comments alone": comments,
        "Python bytes": sum(len(text.encode()) for text in files.values()),
        "functions": len(functions),
        "  lines, median": statistics.median(lengths),
        "  lines, p90": lengths[len(lengths) * 9 // 10],
        "  longest": f"{lengths[-1]} ({functions[-1].place})",
        "largest file, simulator apart": f"{lines[largest[-1]]} ({largest[-1]})",
        "files over 400 lines, simulator apart": sum(lines[name] > 400 for name in largest),
        f"classes over {_PUBLIC} public methods": _classes(trees),
    }


def _functions(name: str, tree: ast.Module) -> list[Function]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [
        Function(f"{name}:{node.name}", node.end_lineno - node.lineno + 1)
        for node in ast.walk(tree)
        if isinstance(node, kinds)
    ]


def _rows(line: str) -> int:
    """How many lines one fills at this width: no formatter breaks what is written in words."""
    return max(1, math.ceil(len(line) / WIDTH))


def _docstrings(tree: ast.Module, lines: list[str]) -> int:
    """Lines of strings that stand by themselves: docstrings, and what is said below fields."""
    found = 0
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            found += sum(map(_rows, lines[node.lineno - 1 : node.end_lineno]))
    return found


def _tokens(text: str) -> tuple[int, int]:
    """Lines that hold nothing but a comment, and lines that hold anything else."""
    held: set[int] = set()
    comments: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        rows = range(token.start[0], token.end[0] + 1)
        if token.type == tokenize.COMMENT:
            comments.update(rows)
        elif token.string.strip():
            held.update(rows)
    lines = ["", *text.splitlines()]
    return tuple(sum(_rows(lines[row]) for row in rows) for rows in (comments - held, held))


def _classes(trees: dict[str, ast.Module]) -> str:
    found = {}
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                methods = [
                    one
                    for one in node.body
                    if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
                ]
                found[node.name] = sum(not one.name.startswith("_") for one in methods)
    over = {name: count for name, count in found.items() if count > _PUBLIC}
    return (
        f"{len(over)} ({', '.join(f'{name} {count}' for name, count in over.items())})"
        if over
        else "0"
    )


def _arrows(root: Path) -> dict[str, object]:
    arrows = {
        name: {other for other in known if other.split(".")[0] in ("wan", "app")}
        for name, known in graph(root).items()
    }
    between = {(room(one), room(other)) for one, known in arrows.items() for other in known} - {
        (room(one), room(one)) for one in arrows
    }
    folders = [
        folder
        for folder in [root / "wan", *(root / "wan").rglob("*")]
        if folder.is_dir() and folder.name != "__pycache__"
    ]
    rooms = {
        str(folder.relative_to(root)): len(_rooms(folder)) for folder in folders if _rooms(folder)
    }
    most = max(rooms, key=rooms.__getitem__)
    return {
        "rooms on a level, most": f"{rooms[most]} ({most})",
        "arrows between rooms": len({(one, other) for one, other in between if other != "wan"}),
        "circles of modules": len(circles(arrows)),
    }


def _rooms(folder: Path) -> list[Path]:
    parts = [
        one
        for one in folder.iterdir()
        if (one.is_dir() and one.name != "__pycache__") or one.suffix == ".py"
    ]
    return [one for one in parts if not one.name.startswith("__")]


def _assets(root: Path) -> dict[str, object]:
    texts = {kind: _texts(root, kind) for kind in (".js", ".css", ".html", ".json")}
    return {
        "JavaScript lines": sum(text.count("\n") for text in texts[".js"]),
        "  statements": sum(map(_statements, texts[".js"])),
        "CSS lines": sum(text.count("\n") for text in texts[".css"]),
        "  declarations": sum(map(_declarations, texts[".css"])),
        "HTML and JSON lines": sum(text.count("\n") for text in texts[".html"] + texts[".json"]),
    }


def _texts(root: Path, kind: str) -> list[str]:
    return [
        path.read_text(encoding="utf-8")
        for folder in ("assets", "wan")
        for path in sorted((root / folder).rglob(f"*{kind}"))
    ]


def _statements(text: str) -> int:
    """Statements that end with a semicolon, and those that hold others."""
    bare = _STRINGS.sub("''", text)
    return len(re.findall(r";", re.sub(r"\bfor\s*\([^)]*\)", "for()", bare))) + len(
        _BLOCKS.findall(bare)
    )


def _declarations(text: str) -> int:
    """Pairs of a property and its value."""
    return len(re.findall(r"[\w-]+\s*:[^;{}]+(?=[;}])", _COMMENTS.sub("", text)))


def _marks(root: Path) -> dict[str, object]:
    product = [
        path
        for path in [
            root / "app.py",
            *(root / "wan").rglob("*.py"),
            *(root / "assets").rglob("*.js"),
        ]
        if "simulator" not in path.parts
    ]
    naming = [path for path in product if "shot_type" in path.read_text(encoding="utf-8")]
    return {
        "hidden controls on the page": _hidden_controls(root),
        "files that name shot_type, simulator apart": len(naming),
    }


def _hidden_controls(root: Path) -> int:
    """Components of the running page that are there for a script only."""
    with tempfile.TemporaryDirectory(prefix="wan-shape-") as folder, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        taken.close()
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": folder,
            "OUTPUT_DIR": f"{folder}/output",
            "GRADIO_SERVER_PORT": str(port),
        }
        app = subprocess.Popen(
            [sys.executable, root / "app.py"],
            cwd=root,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            config = _config(f"http://127.0.0.1:{port}/config", app)
        finally:
            app.terminate()
            app.wait()
    shown = config["page"][""]["components"]  # the same in each language
    return sum(
        one["props"].get("visible", True) in (False, "hidden")
        for one in config["components"]
        if one["id"] in shown
    )


def _config(url: str, app: subprocess.Popen[bytes]) -> dict[str, Any]:
    """What the page is made of, as soon as the app serves."""
    while app.poll() is None:
        try:
            return plain_http.get(url).raise_for_status().json()
        except httpx.TransportError:
            time.sleep(0.02)
    raise RuntimeError(f"the app ended with {app.returncode}")


def _as_json(figures: dict[str, object]) -> str:
    return json.dumps(figures, indent=2)
