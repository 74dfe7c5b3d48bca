"""The rooms of the package: who may know whom, and which library is used in which room only."""

import ast
import re

import pytest

from tests.imports import circles, graph, modules, room
from wan.web.paths import ASSETS

FLOORS = (  # each knows those above it in this list, and itself
    {"wan.domain", "wan.simulator"},
    {"wan.environment"},
    {"wan.provider", "wan.media", "wan.database"},
    {"wan.storage"},
    {"wan.service"},
    {"wan.video", "wan.web"},
    {"wan.ui", "wan.cli"},
    {"app", "wan.__main__"},
)
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}
HOMES = {
    "dashscope": {"wan.provider.gateway"},
    "sqlalchemy": {"wan.database"},
    "obstore": {"wan.storage.objects", "wan.storage.buckets"},
    "gradio": {"wan.ui"},
    "typer": {"wan.cli"},
    "rich": {"wan.cli"},
    "av": {"wan.media", "wan.simulator"},
    "PIL": {"wan.media", "wan.simulator"},
}
"""A library, and the only places that import it."""

ARROWS = graph()
OURS = {
    name: {other for other in known if other.split(".")[0] in ("wan", "app")}
    for name, known in ARROWS.items()
}


def test_every_room_has_its_floor():
    assert {room(name) for name in OURS} - {"wan"} == set(FLOOR)


def test_nobody_knows_somebody_above():
    upward = [
        (name, other)
        for name, known in OURS.items()
        for other in known
        if room(name) != room(other)
        and "wan" not in (name, other)
        and FLOOR[room(other)] >= FLOOR[room(name)]
    ]
    assert upward == []


def test_no_cancel_can_be_lost():
    """`asyncio.wait_for` loses one that comes together with what is awaited, before Python 3.12;
    `asyncio.timeout` does not.
    """
    assert not [name for name, file in modules().items() if "asyncio.wait_for(" in file.read_text()]


def test_no_circle():
    assert circles(OURS) == []


def test_the_simulator_shares_no_code():
    assert {
        other
        for name, known in OURS.items()
        if room(name) == "wan.simulator"
        for other in known
        if room(other) != "wan.simulator"
    } <= {"wan"}
    assert [
        name
        for name, known in OURS.items()
        if room(name) != "wan.simulator" and any(room(other) == "wan.simulator" for other in known)
    ] == []


def test_a_library_is_used_in_its_room_only():
    for library, homes in HOMES.items():
        users = {name for name, known in ARROWS.items() if library in known}
        assert users, library
        assert {
            name for name in users if not any(f"{name}.".startswith(f"{home}.") for home in homes)
        } == set(), library


def test_no_level_has_more_than_twelve_rooms():
    rooms = {}
    for name in OURS:
        parent, _, part = name.rpartition(".")
        if part and not part.startswith("__"):
            rooms.setdefault(parent, set()).add(part)
    assert len(rooms["wan"]) <= 12


def test_every_colour_has_a_name_in_the_tokens():
    written = re.compile(r"#[0-9a-fA-F]{3,8}\b(?!-)|\b(?:rgb|hsl)a?\(")
    sheets = {sheet.name: sheet.read_text("utf-8") for sheet in ASSETS.glob("*.css")}
    assert written.search(sheets.pop("tokens.css"))
    assert {name: found for name, text in sheets.items() if (found := written.findall(text))} == {}


def test_no_class_has_more_than_fifteen_public_methods():
    many = [
        f"{name}.{node.name}"
        for name, path in modules().items()
        if room(name) != "wan.simulator"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and len(_public_methods(node)) > 15
    ]
    assert many == []


def _public_methods(node: ast.ClassDef) -> list[str]:
    methods = [one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [one.name for one in methods if not one.name.startswith("_")]


@pytest.mark.parametrize("field", ["shot_type", "watermark", "prompt_extend"])
def test_a_field_of_a_request_is_named_in_three_files_at_most(field):
    """What a new field takes: `fields`, `requests` and what is sent."""
    naming = [
        name
        for name, path in modules().items()
        if room(name) != "wan.simulator" and field in path.read_text(encoding="utf-8")
    ]
    assert len(naming) <= 3, naming
