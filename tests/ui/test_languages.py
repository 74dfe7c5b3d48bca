"""No words on the page exist in one language only: what people read comes from
`wan.domain.messages`, which has both.
"""

import ast
import re
from pathlib import Path

import pytest

from tests.conftest import ROOT
from wan.web.paths import ASSETS

_OURS = [
    path
    for room in ("ui", "web")
    for path in (ROOT / "wan" / room).glob("*.py")
    if path.name != "theme.py"
]
_SCRIPTS = list(ASSETS.glob("*.js"))
_NAMES = re.compile(
    r"Wan Studio|URL|\bMB\b|original\.mp4|https?://|\bcharacter(?=\{|\b)"
)  # the same in every language; character1 is what models call a reference
_SAID = {
    "label",
    "placeholder",
    "info",
    "title",
    "alt",
    "aria_label",
    "text",
    "submit_btn",
    "stop_btn",
}  # arguments that people read
_FIRST = {
    "Button",
    "Tab",
    "Accordion",
    "HTML",
    "Markdown",
    "UploadButton",
    "DownloadButton",
    "Label",
}  # whose first argument people read
_BARE = re.compile(r"""(?:\s+[\w-]+(?:=["'][^"']*["'])?)+""")  # attributes that are put into a tag
_ATTRIBUTE = re.compile(
    r"""\b(?:aria-label|aria-valuetext|aria-description|title|alt|placeholder)=["']([^"']*)["']"""
)
_IN_SCRIPT = re.compile(
    r"""(?:\.(?:textContent|innerText|innerHTML|title|alt|placeholder|ariaLabel)\s*=(?!=)|setAttribute\(\s*["'](?:aria-label|title|alt|placeholder)["'],"""
    r"""|\b(?:alert|confirm|prompt)\()([^;]*)"""
)
_LITERAL = re.compile(r"""(["'`])((?:\\.|(?!\1).)*)\1""")


def words(text: str) -> bool:
    """Whether there are words of some language in a text, beside its slots and names."""
    return bool(
        re.search(r"[^\W\d_]{2,}", re.sub(r"\$?\{[^{}]*\}|&\w+;", " ", _NAMES.sub(" ", text)))
    )


def in_html(html: str) -> list[str]:
    """Words in the text and the attributes of a piece of HTML."""
    text = (
        ""
        if _BARE.fullmatch(html)
        else re.sub(r"<(style|script)\b.*?</\1>|<[^>]*>?|^[^<>]*>", "\n", html, flags=re.DOTALL)
    )
    return [found for found in (*text.split("\n"), *_ATTRIBUTE.findall(html)) if words(found)]


def in_source(source: str) -> list[str]:
    """Words that a module of the page gives to people directly."""
    return [
        f"line {node.lineno}: {text}"
        for node in ast.walk(ast.parse(source))
        for text in _given(node)
    ]


def _given(node: ast.AST) -> list[str]:
    if not isinstance(node, ast.Call):
        return []
    name = ast.unparse(node.func)
    if name == "Markup":
        return [text for piece in _literals(node.args[:1]) for text in in_html(piece)]
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    if not name.startswith("gr.") or (
        isinstance(seen := given.get("visible"), ast.Constant) and seen.value in (False, "hidden")
    ):
        return []
    read = [value for key, value in given.items() if key in _SAID] + (
        node.args[:1] if name[3:] in _FIRST else []
    )
    return [text for piece in _literals(read) for text in in_html(piece)]


def _literals(nodes: list[ast.expr]) -> list[str]:
    """The literals that end up in these arguments; those in calls of their own, such as
    t(language, "key"), do not.
    """
    found: list[str] = []
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
        elif not isinstance(node, ast.Call):
            found += _literals(
                [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
            )
    return found


def in_script(source: str) -> list[str]:
    """Words that a script puts before people."""
    return [
        text
        for given in _IN_SCRIPT.findall(source)
        for _, text in _LITERAL.findall(given)
        if words(re.sub(r"^\[.*\]$|^[.#\[].*", "", text))
    ]


@pytest.mark.parametrize("path", _OURS, ids=lambda path: path.name)
def test_modules_say_nothing_by_themselves(path: Path):
    assert not in_source(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", _SCRIPTS, ids=lambda path: path.name)
def test_scripts_say_nothing_by_themselves(path: Path):
    assert not in_script(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "source",
    [
        'Markup("<p>Hello {}</p>")',
        "Markup('<button aria-label=\"Close it\">{}</button>')",
        "Markup('<img alt=\"A sea\">')",
        'Markup("<p>" + "你好")',
        'gr.Textbox(label="Your name")',
        'gr.Button("Go" if ready else t(language, "wait"))',
    ],
)
def test_words_of_one_language_are_found_in_modules(source: str):
    assert in_source(source)


@pytest.mark.parametrize(
    "source",
    [
        'part.textContent = "Loading";',
        "part.title = late ? `${n} left` : '';",
        'part.setAttribute("aria-label", "Close");',
        'alert("No");',
    ],
)
def test_words_of_one_language_are_found_in_scripts(source: str):
    assert in_script(source)


@pytest.mark.parametrize(
    "source",
    [
        'Markup("<p class=\\"wan-say\\">{said} · {n}</p>")',
        'gr.Button(t(language, "go"))',
        'gr.Button("share", visible="hidden")',
    ],
)
def test_what_is_no_word_is_left_alone(source: str):
    assert not in_source(source)
