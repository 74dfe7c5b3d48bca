"""Whoever asks for much waits for it alone: files are looked at in turn."""

import secrets
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.attacks.visitor import Visitor, upload
from tests.patience import PATIENCE
from tests.pictures import picture

BAD, HONEST, MANY = "198.51.100.70", "198.51.100.71", 10


@pytest.fixture(scope="module")
def teacher(proxied):
    """Knows the page; everybody else is a copy."""
    someone = Visitor(proxied.url)
    yield someone
    someone.close()


@pytest.fixture(scope="module")
def dear(proxied) -> dict:
    """A picture of a few kilobytes that is dear to open, as the page gives it."""
    data = picture((2600, 2600), mode="RGBA", kind="PNG", color=(9, 9, 9, 9))
    return given(proxied.url, data)


@pytest.fixture(scope="module")
def cheap(proxied) -> dict:
    return given(proxied.url, picture((300, 300)))


def given(url: str, data: bytes) -> dict:
    path = upload(url, [("picture.png", data)]).json()[0]
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def person(teacher: Visitor, address: str, token: str = "") -> Visitor:
    """Somebody at an address, with a page of their own."""
    return teacher.another(
        token=token or secrets.token_urlsafe(32), headers={"X-Forwarded-For": address}
    )


def look(someone: Visitor, shown: dict, *, over: threading.Event | None = None) -> str:
    """Has a picture previewed. Gives what the stage shows."""
    event = someone.event("show")
    well, came = someone.call(
        event, someone.form(event, token=someone.token, reference_image=shown)
    )
    someone.close()
    if over is not None:
        over.set()
    return str(came[0]) if well else str(came)


CROWDS = {
    "made-up names at one address": lambda teacher: [person(teacher, BAD) for _ in range(MANY)],
    "pages of one name at one address": lambda teacher: [
        person(teacher, BAD, "x" * 43) for _ in range(MANY)
    ],
    "one name on this machine": lambda teacher: [
        person(teacher, "127.0.0.1", "y" * 43) for _ in range(MANY)
    ],
    "names in one IPv6 network": lambda teacher: [
        person(teacher, f"2001:db8::{number:x}") for number in range(MANY)
    ],
}


@pytest.mark.parametrize("name", CROWDS)
def test_a_crowd_of_one_keeps_nobody_waiting(name, teacher, dear, cheap, record):
    crowd, first = CROWDS[name](teacher), threading.Event()
    with ThreadPoolExecutor(MANY) as threads:
        shown = [threads.submit(look, one, dear, over=first) for one in crowd]
        assert first.wait(PATIENCE)
        came = look(person(teacher, HONEST if "machine" not in name else "127.0.0.1"), cheap)
        waiting = sum(not one.done() for one in shown)
        record(
            f"{MANY} dear previews, {name}: a visitor sees theirs",
            "shown, most still wait",
            f"{'shown' if 'data:image' in came else came[:60]}, "
            f"{'most still wait' if waiting > MANY // 3 else f'{waiting} wait'}",
        )
        assert [
            said[:60] for said in (one.result(60) for one in shown) if "data:image" not in said
        ] == []


def test_a_page_that_asks_again_has_its_last_question_answered(teacher, dear, record):
    """Whatever it asked before and nobody has begun is dropped, not shown and not done."""
    someone = person(teacher, BAD)
    event = someone.event("show")
    forms = [someone.form(event, token=someone.token, reference_image=dear) for _ in range(MANY)]
    for form in forms[:-1]:
        assert someone.join(event, form).status == 200
    well, came = someone.call(event, forms[-1])
    someone.close()
    record(
        "a page asks many times: its last is shown",
        (True, True),
        (well, "data:image" in str(came[0])),
    )
