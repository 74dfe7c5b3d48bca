"""What holds for every test: nothing can be spent. No key, no home, the simulator only, and no
connection leaves this machine.
"""

import contextlib
import gc
import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

import tests.certificates
import tests.guard.sitecustomize  # noqa: F401 - guards this process
from tests import processes, shared, warm
from tests.blocking import Store
from tests.postgres import Postgres
from tests.simulators import Simulator, serving

ROOT = Path(__file__).parent.parent
_LONG = (
    *(
        "browser/test_resilience.py",
        "browser/test_rolling.py",
        "browser/test_axe.py",
        "service/test_disk.py",
        "browser/test_takes.py",
        "browser/test_library.py",
        "service/test_processes.py",
    ),
    *(
        "browser/test_review.py",
        "service/test_states.py",
        "cli/test_cli.py",
        "attacks/test_sockets.py",
        "browser/test_page.py",
        "service/test_studio.py",
    ),
    *(
        "attacks/test_forms.py",
        "service/test_matrix.py",
        "browser/test_languages.py",
        "ui/test_api.py",
        "attacks/test_media_attacks.py",
        "browser/test_walk.py",
        "browser/test_proxies.py",
    ),
    *(
        "browser/test_connection.py",
        "attacks/test_sandbox.py",
        "attacks/test_money.py",
        "media/test_join.py",
        "test_readme.py",
        "service/test_reviews.py",
    ),
)
"""Files of tests that take twenty seconds and more, the longest first."""


def pytest_addoption(parser: pytest.Parser) -> None:
    setups = ("demo", "paid", "logins", "mcp", "replicas", "proxied")
    parser.addoption(
        "--setup",
        choices=setups,
        default="demo",
        help="how the app is set up that tests/attacks attacks",
    )


def pytest_configure(config: pytest.Config) -> None:
    shared.begin(config)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest come first, so that no process begins one when the others are
    done; what needs a process is marked.
    """
    for item in items:
        if processes.are_needed(item):
            item.add_marker(pytest.mark.process)
    order = {name: number for number, name in enumerate(_LONG)}
    items.sort(
        key=lambda item: order.get(
            item.nodeid.partition("::")[0].removeprefix("tests/"), len(order)
        )
    )


def pytest_collection_finish() -> None:
    # Gradio's hundred thousands of objects stay, and need not be looked through again and again,
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)  # nor what a test leaves behind after every 700 more


def pytest_unconfigure(config: pytest.Config) -> None:
    shared.end(config)


def clean_environment(folder: Path) -> dict[str, str]:
    """The environment without keys and proxies, with a home and an output folder of its own."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DASHSCOPE_", "WAN_", "SPACE_"))
    }
    kept = {name: value for name, value in kept.items() if not name.lower().endswith("_proxy")}
    return kept | {
        "HOME": str(folder / "home"),
        "OUTPUT_DIR": str(folder / "output"),
        "WAN_BACKEND": "simulator",
        "WAN_POLL_SECONDS": "1",  # else a task is polled when runs of the real service usually end
        "WAN_SIMULATOR_PENDING": "0.2",
        "WAN_SIMULATOR_RUNNING": "0.4",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests' / 'guard'}",
        **shared.plain_films(),
    }


@pytest.fixture(autouse=True)
def _processes(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that starts a process is marked as one that does, so that `bash tests/run.sh --quick`
    leaves it out.
    """
    with (
        contextlib.nullcontext()
        if request.node.get_closest_marker("process")
        else processes.denied()
    ):
        yield


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A clean environment, for this process and to hand to others."""
    clean = clean_environment(tmp_path)
    for name in set(os.environ) - set(clean):
        monkeypatch.delenv(name)
    for name, value in clean.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path)
    return clean


@pytest.fixture(scope="session", autouse=True)
def forked() -> Iterator[None]:
    """Apps and simulators of the tests are forked from a parent that has imported them."""
    with warm.parent():
        yield


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio, as the app does."""
    return "asyncio"


@pytest.fixture(scope="session")
def samples() -> Path:
    """The sample media that ship with the app."""
    return ROOT / "assets" / "samples"


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """One simulator for all tests that need a service: quick, and with each key an account of its
    own.
    """
    folder = tmp_path_factory.mktemp("simulator")
    with serving(
        folder, "--pending", "0.2", "--running", "0.4", environment=clean_environment(folder)
    ) as started:
        yield started


@pytest.fixture(scope="session")
def postgres() -> Postgres:
    """One PostgreSQL for all tests that need one."""
    return shared.postgres()


@pytest.fixture(params=["sqlite", "postgresql"])
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Gives an empty database at each call, as `WAN_DATABASE_URL` takes it, of every kind that the
    app promises to work with.
    """
    if request.param == "postgresql":
        return request.getfixturevalue("postgres").database
    numbers = count()
    return lambda: f"sqlite:///{tmp_path / f'wan{next(numbers)}.sqlite3'}"


@pytest.fixture
def store(new_database: Callable[[], str]) -> Iterator[Store]:
    """A store on an empty database of either kind."""
    opened = Store(new_database())
    yield opened
    opened.close()
