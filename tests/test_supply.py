"""What is installed is what was looked at: every package, those that come with others too, by its
version and the SHA-256 of its files.
"""

import ast
import re
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, version

from tests.conftest import ROOT

LOCK = (ROOT / "tests" / "requirements.lock").read_text(encoding="utf-8")
ENTRIES = re.findall(
    r"^([\w.-]+)==([^ ]+)(.*(?:\n    --hash=sha256:[0-9a-f]{64}(?: \\)?)+)", LOCK, re.MULTILINE
)
PINS = {_name: pinned for _name, pinned, _ in ENTRIES}


def lines(name: str) -> list[str]:
    """The lines of a list of requirements, without comments and without the
    lists that it takes in.
    """
    bare = (
        line.partition("#")[0].strip()
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines()
    )
    return [line for line in bare if line and not line.startswith("-")]


def test_every_pin_stands_in_the_lock_with_hashes():
    short = lines("requirements.txt") + lines("tests/requirements.txt")
    assert len(short) > 20
    for line in short:
        name, _, pinned = re.sub(r"\[.*?\]", "", line).partition("==")
        assert PINS.get(name) == pinned, line


def test_what_the_app_imports_is_pinned():
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).partition(".")[0]
        for path in [ROOT / "app.py", *(ROOT / "wan").rglob("*.py")]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and not node.level)
    } - sys.stdlib_module_names
    named = {re.split(r"[=\[]", line)[0] for line in lines("requirements.txt")}
    packages = packages_distributions()
    unpinned = {
        module
        for module in imported - {"wan", "mcp"}  # which comes with gradio[mcp], for WAN_MCP alone
        if not named & {name.lower().replace("_", "-") for name in packages[module]}
    }
    assert len(imported) > 15
    assert unpinned == set()


def test_nothing_in_the_lock_lacks_a_hash():
    named = re.findall(r"^([^ #].*)$", LOCK, re.MULTILINE)
    assert [line.split(";")[0].split(" ")[0] for line in named] == [
        f"{name}=={pinned}" for name, pinned, _ in ENTRIES
    ]
    assert len(ENTRIES) > 100


def test_the_s3_server_is_locked_too_and_stays_apart_from_what_the_app_runs_on():
    lock = (ROOT / "tests" / "nanio.lock").read_text(encoding="utf-8")
    entry = r"^([\w.-]+)==\S+ \\(?:\n    --hash=sha256:[0-9a-f]{64}(?: \\)?)+$"
    names = re.findall(entry, lock, re.MULTILINE)
    assert names == re.findall(r"^([^ #=]+)", lock, re.MULTILINE)
    assert names == ["aiofiles", "defusedxml", "nanio"]
    assert not set(names) & PINS.keys()
    script = (ROOT / "tests" / "run.sh").read_text(encoding="utf-8")
    apart = "apart=(--target .venv/nanio --no-deps --require-hashes -r tests/nanio.lock)"
    assert (script.count(apart), script.count('"${apart[@]}"')) == (1, 2)


def test_it_names_no_host_and_no_path():
    assert re.findall(r"https?:|--(?:index|extra|find)|file:|@ |(?<![\w.])/\w+", LOCK) == []


def test_its_head_says_how_it_is_made():
    command = LOCK.splitlines()[1]
    assert re.fullmatch(
        r"# +uv pip compile --universal .*--generate-hashes .*tests/requirements\.lock "
        r"tests/requirements\.txt",
        command,
    )


def test_what_is_installed_here_is_what_is_locked():
    differ = {}
    for name, pinned in PINS.items():
        try:
            there = version(name)
        except PackageNotFoundError:  # for another system or Python
            continue
        if there != pinned:
            differ[name] = there
    assert differ == {}


def test_the_tests_install_by_it():
    script = (ROOT / "tests" / "run.sh").read_text(encoding="utf-8")
    assert "options=(--require-hashes -r)" in script
    installed = re.findall(r'install .*"\$\{options\[@\]\}" (\S+)', script)
    assert installed == [
        '"$TESTS_RUN/uv.lock"',
        "tests/requirements.lock",
        "tests/requirements.lock",
    ]
    assert len(re.findall(r"\binstall\b.*(?:pip|options|lock)", script)) == len(installed)
