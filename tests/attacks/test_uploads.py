"""Attacks by file values: paths of the server, names of others' files, forms that are no forms, and
what is left afterwards.
"""

import contextlib
import os
import re
import socket
import time
from collections import defaultdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from PIL.PngImagePlugin import PngInfo

from tests import plain_http
from tests.attacks.conftest import Record, Victim
from tests.attacks.visitor import API, Visitor, ask, upload
from tests.browser.serving import SAMPLES, App, served
from tests.files import below, contents
from tests.patience import PATIENCE
from tests.pictures import picture

META = {"meta": {"_type": "gradio.FileData"}}
GONE = "This file wasn't uploaded here"
PICTURE = (SAMPLES / "coffee.png").read_bytes()

# what stands for a file; {x} is one of the places that `places` knows
PATHS = [
    "{picture}",
    "{poster}",
    "{reference}",
    "{database}",
    "{sample}",
    "/proc/self/fd/{number}",
    "/proc/self/root{picture}",
    "/dev/zero",
    "/dev/stdin",
    "{folder}",
    "{fifo}",
    "{link}",
    "{hard}",
    "{uploads}/{own}",
    "{uploads}/../secret.png",
    "uploads/../secret.png",
    "uploads/{token}/../{token}/a.png",
    "uploads/{token}/..",
    "uploads/{token}/.",
    "uploads/{token}",
    "uploads/{token}/.note",
    "uploads/{token}//a.png",
    "uploads/{token}/a.png/",
    "uploads//{token}/a.png",
    "./uploads/{token}/a.png",
    "/uploads/{token}/a.png",
    "uploads%2F{token}%2Fa.png",
    "uploads/{token}/%61.png",
    "uploads/{token}/a.png\0.png",
    "uploads/{token}/a.png ",
    "uploads/{token}/A.PNG",
    "UPLOADS/{token}/a.png",
    "uploads/{fifo_token}/a.png",
    "uploads/{link_token}/a.png",
    "uploads/{hard_token}/a.png",
    "uploads/{folder_token}/a.png",
    "uploads/{outside_token}/secret.png",
    "samples/../page.css",
    "samples/../../app.py",
    "samples/%2e%2e/page.css",
    "samples/",
    "samples",
    "file:{picture}",
    "file://{picture}",
    "file://{uploads}/{own}",
    "~/secret.png",
    "$HOME/secret.png",
    "{picture}\0",
    "{picture}/.",
    "//{picture}",
    "\\\\?\\{picture}",
    "uploads/" + "a" * 10_000,
    "uploads/{token}/" + "a" * 300,
    "../" * 60 + "etc/passwd",
    "",
    " ",
    ".",
    "/",
]
MISSING = "/no/such/{number}/picture.png"


@pytest.fixture(scope="module")
def places(app: App, victim: Victim) -> dict[str, str]:
    """Where the things are that an attacker would like, and traps among the uploads."""
    uploads, secret = app.folder / "uploads", app.folder / "secret.png"
    secret.write_bytes(PICTURE)
    own = upload(app.url, [("a.png", PICTURE)]).json()[0].removeprefix("uploads/")
    traps = {}
    for name in ("fifo", "link", "hard", "folder", "outside"):
        traps[f"{name}_token"] = name.ljust(43, "x")
        trap = uploads / traps[f"{name}_token"]
        if name == "outside":
            trap.symlink_to(app.folder)
            continue
        trap.mkdir()
        target = trap / "a.png"
        {"fifo": os.mkfifo, "folder": Path.mkdir}.get(name, lambda _: None)(target)
        if name == "link":
            target.symlink_to(secret)
        if name == "hard":
            os.link(secret, target)
    storage = app.storage
    return traps | {
        "picture": str(secret),
        "poster": str(next(one for one in below(storage) if one.suffix == ".webp")),
        "reference": str(next(storage.glob("references/*.jpg"))),
        "database": str(app.folder / "output" / "wan.sqlite3"),
        "sample": str(SAMPLES / "coffee.png"),
        "folder": str(app.folder),
        "uploads": str(uploads),
        "own": own,
        "token": own.partition("/")[0],
        "link": str(uploads / traps["link_token"] / "a.png"),
        "hard": str(uploads / traps["hard_token"] / "a.png"),
        "fifo": str(uploads / traps["fifo_token"] / "a.png"),
        "number": "7",
    }


def shapes(path: str) -> list[Any]:
    """A path in every shape that a file value has been seen in."""
    file = {"path": path} | META
    return [
        {"path": path},
        file,
        file | {"url": path},
        file | {"url": f"/gradio_api/file={path}"},
        file | {"orig_name": "a.svg", "mime_type": "image/svg+xml"},
        file | {"is_stream": True},
        {"path": path, "meta": {"_type": "gradio.FileData", "more": 1}},
        {"path": path, "meta": "gradio.FileData"},
        [file],
        [[file, "a caption"]],
        [{"image": file, "caption": "a"}],
        {"video": file},
        {"path": [path]} | META,
        {"path": {"path": path} | META} | META,
        path,
    ]


_AT_ONCE = 25  # events before their answers are read: an address has thirty slots


def answers(visitor: Visitor, event: int, forms: list[list[Any]]) -> list[tuple[bool, Any]]:
    """What an event answers to forms, many of which are sent at once."""
    return [
        one
        for start in range(0, len(forms), _AT_ONCE)
        for one in visitor.calls(event, forms[start : start + _AT_ONCE])
    ]


FIELDS = {
    "show": "reference_image",
    "start": "reference_image",
    "start_1": "reference_video",
    "draw": "reference_video",
    "reuse": "video",
}


@pytest.mark.parametrize(("event", "field"), FIELDS.items())
def test_paths_as_file_values(
    event: str, field: str, visitor: Visitor, places: dict[str, str], record: Record
):
    """Whether it exists, opens, or is a picture: one and the same answer."""
    number = visitor.event(event)
    data = visitor.form(number, token=visitor.token, prompt="", job="")
    place = [
        (one["props"].get("elem_id") or "").rpartition("-")[2] for one in visitor.inputs(number)
    ].index(field)
    tried = [(MISSING, value) for value in shapes(MISSING.format(**places))]
    for count, path in enumerate(PATHS):
        values = shapes(path.format(**places))
        tried += [(path, one) for one in (values if count < 3 else values[count % 2 : 9 : 7])]
    came: dict[str, set[str]] = defaultdict(set)
    forms = [[*data[:place], value, *data[place + 1 :]] for _, value in tried]
    for (path, _), (well, given) in zip(tried, answers(visitor, number, forms), strict=True):
        came[path].add("showed something" if well else str(given))
    known = came[MISSING]
    assert len(known) == 1
    assert GONE in next(iter(known))
    for path in PATHS:
        record(f"path: {event} with {path[:50]!r}", known, came[path])


def test_a_name_opens_what_it_was_given_for(visitor: Visitor, places: dict[str, str]):
    """Not an attack: the other side of it."""
    number = visitor.event("show")
    data = visitor.form(number, token=visitor.token, job="")
    for name in (f"uploads/{places['own']}", "samples/coffee.png"):
        data[2] = {"path": name} | META
        well, given = visitor.call(number, data)
        assert well
        assert "data:image/webp;base64" in given[0]


ENDPOINTS = [("image_to_video", "reference_image"), ("reference_to_video", "references")]


@pytest.mark.parametrize(("endpoint", "field"), ENDPOINTS)
def test_paths_by_the_api(
    endpoint: str, field: str, visitor: Visitor, places: dict[str, str], record: Record
):
    number = visitor.event(endpoint)
    missing = shapes(MISSING.format(**places))
    tried = [(MISSING, one) for one in missing if isinstance(one, dict)]
    tried += [(path, one) for path in PATHS for one in shapes(path.format(**places))[:2]]
    came: dict[str, set[str]] = defaultdict(set)
    forms = [["A sea.", _in(field, value)] for _, value in tried]
    for (path, _), one in zip(tried, answers(visitor, number, forms), strict=True):
        came[path].add(str(one))
    known = came[MISSING]
    assert len(known) == 1
    assert f"{field}: {GONE}" in next(iter(known))
    for path in PATHS:
        record(f"path: /{endpoint} with {path[:50]!r}", known, came[path])


def _in(field: str, value: Any) -> Any:
    return [value] if field == "references" else value


def test_files_where_text_belongs(visitor: Visitor, places: dict[str, str], record: Record):
    """An upload in a field of text would be written out with its path on the server."""
    mine = {"path": f"uploads/{places['own']}"} | META
    for event in (
        "start",
        "start_1",
        "image_to_video",
        "reference_to_video",
        "job",
        "list_jobs",
        "greet",
        "create_review",
    ):
        number, tried = visitor.event(event), {}
        for place, one in enumerate(visitor.inputs(number)):
            if one["type"] in ("image", "file", "uploadbutton") or (
                place == 1 and event in ("image_to_video", "reference_to_video")
            ):
                continue
            tried[place] = visitor.form(number, token=visitor.token, prompt="")
            tried[place][place] = mine
        for place, (well, given) in zip(
            tried, visitor.calls(number, list(tried.values())), strict=True
        ):
            record(
                f"file: {event}, in field {place}",
                (False, False),
                (well, places["folder"] in str(given)),
            )


def test_paths_by_address(app: App, places: dict[str, str], record: Record):
    """Each as it is, percent-encoded, and encoded twice; what is decoded once, as every address is,
    may be the name itself.
    """
    for path in PATHS:
        target = path.format(**places)
        ways = (quote(target), quote(target, safe=""), quote(quote(target, safe="")))
        came = {ask(app.url, "GET", f"{API}/file={way}").status for way in ways}
        record(f"address: file={path[:50]!r}", {404}, came)
    one, other = (
        ask(app.url, "GET", f"{API}/file={quote(places[where])}").body
        for where in ("picture", "fifo")
    )
    assert one == other == ask(app.url, "GET", f"{API}/file=uploads/{'x' * 43}/a.png").body


def test_no_path_of_the_server_leaves_it(
    app: App, visitor: Visitor, victim: Victim, record: Record
):
    """Neither the page, nor its settings, nor what events and uploads answer says where anything
    lies.
    """
    root, hers = str(SAMPLES.parents[1]), victim.visitor
    secret = re.compile("|".join(re.escape(one) for one in (root, str(app.folder.parent))))
    for target in (
        "/",
        "/config",
        f"{API}/info",
        "/theme.css",
        f"{API}/startup-events",
        f"{API}/file=/none",
        "/media/x/video.mp4",
    ):
        record(f"paths: in {target}", [], secret.findall(ask(app.url, "GET", target).body.decode()))
    record(
        "paths: in an upload's answer",
        [],
        secret.findall(upload(app.url, [("a.png", PICTURE)]).body.decode()),
    )
    for event in ("fill", "use", "frame", "bundle", "open", "list_jobs"):
        number = hers.event(event)
        form, aimed = hers.form(number, token=hers.token), {"job": victim.job_id}
        well, given = hers.call(number, form, event_data=aimed)
        assert well, given
        record(f"paths: in what {event} gives", [], secret.findall(str(given)))
        for name in re.findall(r"file=((?:uploads|samples)/[^'\"\\ ]+)", str(given)):
            own = ask(app.url, "GET", f"{API}/file={name}", headers=hers.headers)
            assert own.status == 200


def form(*parts: tuple[str, bytes]) -> bytes:
    """A form of parts, each with what its Content-Disposition says."""
    pieces = b"".join(
        f"--edge\r\nContent-Disposition: form-data; {said}\r\n\r\n".encode() + content + b"\r\n"
        for said, content in parts
    )
    return pieces + b"--edge--\r\n"


FILE = ('name="files"; filename="a.png"', b"x")
FORMS = [
    ("a field of 17 kB", [('name="a"', b"x" * 17_000), FILE], 413),
    ("a field of 20 MB", [('name="a"', b"x" * 20_000_000), FILE], 413),
    ("a field of 17 kB after the file", [FILE, ('name="a"', b"x" * 17_000)], 413),
    ("the files' own field without a file, 20 MB", [('name="files"', b"x" * 20_000_000)], 413),
    ("nine fields", [*[('name="a"', b"x")] * 9, FILE], 413),
    ("21 files", [FILE] * 21, 413),
    ("a file under another name", [('name="other"; filename="a.png"', b"x")], 400),
    ("a file without a field's name", [('filename="a.png"', b"x")], 400),
    ("no file at all", [('name="a"', b"x")], 400),
    ("a header of 9 kB", [(f'name="files"; filename="{"a" * 9_000}"', b"x")], 400),
    (
        "eight small fields beside a file",
        [*[('name="a"', b"x" * 16_000)] * 8, FILE],
        200,
    ),  # no attack
]


@pytest.mark.parametrize(("name", "parts", "status"), FORMS, ids=[name for name, _, _ in FORMS])
def test_forms(name: str, parts: list[tuple[str, bytes]], status: int, app: App, record: Record):
    before = left(app)
    body = form(*parts)
    headers = {
        "Content-Type": "multipart/form-data; boundary=edge",
        "Content-Length": str(len(body)),
    }
    answer = ask(app.url, "POST", f"{API}/upload", headers=headers, body=body)
    record(f"form: {name}", status, answer.status)
    if status != 200:
        record(f"form: {name}: left on the disk", [], sorted(left(app) - before))


def left(app: App) -> set[str]:
    """What lies among the uploads. Of another test's, something may go meanwhile."""
    return set(map(str, below(app.folder / "uploads")))


def memory(app: App) -> int:
    """Megabytes that the app's process has in memory at most so far."""
    status = Path(f"/proc/{app.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) // 1000


def test_memory_by_a_field(app: App, record: Record):
    """340 MB in a field that is no file, in chunks and by a length; it is refused before a
    hundredth of it is in memory.
    """
    before = memory(app)
    begun = b'--edge\r\nContent-Disposition: form-data; name="a"\r\n\r\n'
    form_of = {"Content-Type": "multipart/form-data; boundary=edge"}
    for headers in ({"Content-Length": "340000052"}, {"Transfer-Encoding": "chunked"}):
        pieces = (begun if number == 0 else bytes(1_000_000) for number in range(341))
        chunked = "Transfer-Encoding" in headers
        got = ask(
            app.url,
            "POST",
            f"{API}/upload",
            headers=form_of | headers,
            body=pieces,
            chunked=chunked,
        ).status
        record(f"memory: a field of 340 MB, {headers}", 413, got)
    record(
        "memory: a field of 340 MB: more than 100 MB held for it", False, memory(app) - before > 100
    )


def test_what_was_used_is_gone(app: App, record: Record):
    """After a submit nobody reads the bytes that came, by any name; the name leads to the clean
    copy until the job goes.
    """
    noted = PngInfo()
    noted.add_text("Comment", "where she lives")
    raw = picture((640, 480), color="purple", pnginfo=noted)
    mine = Visitor(app.url)
    name = upload(app.url, [("home.png", raw)]).json()[0]
    job = finished(mine, {"path": name} | META)
    record(
        "used: the bytes that came, by their name",
        (200, False),
        _served(app, name, b"where she lives"),
    )
    kept = [
        path.name for path, content in contents(app.folder).items() if b"where she lives" in content
    ]
    record("used: the bytes that came, anywhere on the disk", [], kept)
    assert finished(mine, {"path": name} | META) == job, "the same again is the same job"
    made = [name, *(_made(mine, event, job) for event in ("use", "frame", "bundle"))]
    assert [ask(app.url, "GET", f"{API}/file={quote(one)}").status for one in made] == [200] * 4
    number = mine.event("delete")
    form = mine.form(number, token=mine.token)
    assert "data-gone" in str(mine.call(number, form, event_data={"job": job})[1])
    for what, one in zip(
        ("its reference", "the copy for the form", "its last frame", "its zip"), made, strict=True
    ):
        record(f"deleted: {what}", 404, ask(app.url, "GET", f"{API}/file={quote(one)}").status)
    record(
        "deleted: files left of it on the disk",
        [],
        [path for path in below(app.folder) if job in path.name],
    )
    mine.close()


def finished(visitor: Visitor, file: dict[str, Any]) -> str:
    """The id of a job that is made from a file, when it has succeeded."""
    start, watch = visitor.event("start"), visitor.event("watch")
    given = {
        "reference_image": file,
        "prompt": "She smiles.",
        "url": "",
        "audio_url": "",
        "seed": "7",
    }
    well, came = visitor.call(start, visitor.form(start, token=visitor.token, **given))
    assert well, came
    give_up = time.monotonic() + PATIENCE
    while "SUCCEEDED" not in (shown := visitor.call(watch, [visitor.token, came[1]])[1][0]):
        assert time.monotonic() < give_up, shown
    return came[1]


def _served(app: App, name: str, secret: bytes) -> tuple[int, bool]:
    answer = ask(app.url, "GET", f"{API}/file={quote(name)}")
    return answer.status, secret in answer.body


def _made(visitor: Visitor, event: str, job: str) -> str:
    """The name of the file that an event of the library makes from a job."""
    number = visitor.event(event)
    form = visitor.form(number, token=visitor.token)
    well, given = visitor.call(number, form, event_data={"job": job})
    assert well, given
    return re.search(r"uploads/[\w-]{43}/[\w.-]+", str(given))[0]


def test_files_where_people_sign_in(tmp_path: Path, record: Record):
    with served(tmp_path, WAN_LOGINS="ann:secret-of-ann") as app:
        with plain_http.Client(base_url=app.url, headers={"Origin": app.url}) as ann:
            assert (
                ann.post(
                    "/login", data={"username": "ann", "password": "secret-of-ann"}
                ).status_code
                == 200
            )
            answer = ann.post(f"{API}/upload", files={"files": ("a.png", PICTURE)})
            assert answer.status_code == 200, answer.text
            hers = answer.json()[0]
            assert ann.get(f"{API}/file={hers}").content == PICTURE
        for name, target in (
            ("an upload by its name", hers),
            ("a sample", "samples/coffee.png"),
            ("nothing", "none"),
        ):
            record(f"logins: {name}", 401, ask(app.url, "GET", f"{API}/file={target}").status)
            guessed = {"Cookie": "access-token-x=y; access-token-unsecure-x=y"}
            record(
                f"logins: {name}, with a cookie",
                401,
                ask(app.url, "GET", f"{API}/file={target}", headers=guessed).status,
            )
            record(
                f"logins: {name}, by HEAD", 401, ask(app.url, "HEAD", f"{API}/file={target}").status
            )
        record("logins: an upload", 401, upload(app.url, [("a.png", PICTURE)]).status)
        record(
            "logins: how far an upload is",
            404,
            ask(app.url, "GET", f"{API}/upload_progress?upload_id=x").status,
        )


def test_promised_bytes(app: App, record: Record):
    """Forty connections that promise 340 MB each, which is more than any disk here has room for,
    and send a few.
    """
    head = (
        f"POST {API}/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "
        "multipart/form-data; boundary=edge\r\nContent-Length: 340000000\r\n\r\n"
    )
    begun = b'--edge\r\nContent-Disposition: form-data; name="files"; filename="a.mp4"\r\n\r\n'
    with contextlib.ExitStack() as open_:
        for _ in range(40):
            connection = open_.enter_context(
                socket.create_connection(("127.0.0.1", app.port), timeout=PATIENCE)
            )
            connection.sendall(head.encode() + begun)
        record(
            "promised: another's upload beside 40 of 340 MB",
            200,
            upload(app.url, [("a.png", PICTURE)]).status,
        )
