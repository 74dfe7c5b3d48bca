"""Attacks by forged events of the page: values that no form gives, files that nobody uploaded, jobs
of others.
"""

import json
import math
import re
import secrets
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.conftest import Listener, Record, Victim
from tests.attacks.visitor import API, Visitor, ask, named, post, upload
from tests.browser.serving import SAMPLES, App
from tests.files import below

META = {"meta": {"_type": "gradio.FileData"}}
FORGED: list[Any] = [
    *(
        None,
        True,
        -1,
        2.5,
        math.nan,
        math.inf,
        -1e308,
        10**400,
        "",
        "x" * 50_000,
        "\0",
        "../../etc/passwd",
        "<script>alert(1)</script>",
    ),
    *(
        [],
        [None],
        [[[]]],
        ["a"] * 500,
        {},
        {"path": 1},
        {"path": "/etc/passwd"} | META,
        {"__type__": "update", "visible": True},
    ),
]
EVENTS = [
    *(
        "start",
        "start_1",
        "_retry",
        "_retry_surely",
        "_cancel",
        "_resume",
        "_withdraw",
        "watch",
        "show",
    ),
    *("quote", "quote_1", "draw", "check_sound", "_limit_to_model", "greet", "fill", "ask", "drop"),
    "list_past",
    *("image_to_video", "reference_to_video", "job", "cancel"),
    *("list_jobs", "list_jobs_1", "open", "use", "frame", "watch_1", "again", "delete", "bundle"),
    *("compare", "join", "reuse", "choose_all", "pack", "delete_chosen"),
    *("annotate", "star", "move", "retry", "withdraw"),
    *("use_settings", "use_last_frame", "move_picture", "move_video"),
    *(
        "show_chosen",
        "list_reviews",
        "open_review",
        "create_review",
        "revoke",
        "delete_review",
        "add_takes",
        *("reply", "rewrite", "take_back", "resolve", "reopen"),
        "export_csv",
        "export_json",
        "export_zip",
        "stop",
    ),
]
"""Every event that has a handler; the same handler on the other tab is not forged twice."""


def outcome(well: bool, given: Any) -> str:
    """What a forged event came to."""
    if given == 429:
        return "not looked at: too many bad ones before it"
    shown = json.dumps(given)
    if "Traceback" in shown or "Error(" in shown or ".py" in shown:
        return "told how it broke"
    if not well or "wan-card bad" in shown:
        return "refused"
    return "became a job" if "data-live" in shown or "media/" in shown else "showed something"


def harm(came: set[str]) -> str:
    """What was more than refused or shown."""
    return ", ".join(sorted(came - {"refused", "showed something"})) or "no harm"


def test_no_event_is_left_out(visitor: Visitor):
    """Not an attack: the list names every handler of the page."""
    shown = {
        one["api_name"].rstrip("_0123456789")
        for one in visitor.events.values()
        if one["backend_fn"]
    }
    assert shown == {name.rstrip("_0123456789") for name in EVENTS}


@pytest.fixture(scope="module")
def visitors(visitor: Visitor) -> Iterator[Visitor]:
    """Some who take turns: whoever asks right after their stream was closed is answered a little
    later.
    """
    return cycle([visitor, *(visitor.another() for _ in range(4))])


@pytest.mark.parametrize("event", EVENTS)
def test_forged_values(event: str, visitors: Iterator[Visitor], record: Record):
    """The prompt is left empty, so that no value that happens to be good becomes a job; and whoever
    sends them has none to be shown.
    """
    visitor, nobody = next(visitors), secrets.token_urlsafe(32)
    number = visitor.event(event)
    for place, component in enumerate(visitor.inputs(number)):
        data = visitor.form(number, token=nobody, prompt="")
        came = {
            outcome(*one)
            for one in next(visitors).calls(
                number, [[*data[:place], value, *data[place + 1 :]] for value in FORGED]
            )
        }
        record(
            f"form: {event}, {named(component)}: {len(FORGED)} forged values", "no harm", harm(came)
        )


def test_forged_events(app: App, visitor: Visitor, record: Record):
    greet, nobody = visitor.event("greet"), secrets.token_urlsafe(32)
    for way, call in (("form", visitor.call), ("form, past the queue", visitor.predict)):
        record(f"{way}: no value where one belongs", "refused", outcome(*call(greet, [])))
        record(
            f"{way}: five values where three belong",
            "showed something",
            outcome(*call(greet, [nobody, "", "", {}, []])),
        )
        for more in (
            {"batched": True},
            {"event_id": "x"},
            {"simple_format": True},
            {"trigger_id": 99999},
            {"event_data": [1]},
            {"oauth_token": "x"},
        ):
            record(
                f"{way}: {more}",
                "showed something",
                outcome(*call(greet, [nobody, "", ""], **more)),
            )
    half = post(
        app.url,
        f"{API}/queue/join",
        b'{"session_hash": "a", "fn_index": %d, "data": ["\\ud800"]}' % greet,
    )
    record("form: half a character", 400, half.status)
    for data in (None, "", {}, 1):
        record(f"form: data that is no list: {data!r}", 422, visitor.join(greet, data).status)
        past = visitor.predict(greet, data)
        record(f"form, past the queue: data that is no list: {data!r}", (False, 422), past)


CARRIED: list[Any] = [
    *(None, True, 7, math.nan, "job", [], ["job"], [[[]]], {}),
    *({"job": value} for value in (None, 7, True, [], ["a"], {"a": "b"}, "x" * 200, "x" * 5_000)),
    *({"job": text} for text in ("no such job", "../../etc/passwd", "${1+1}", "<script>", "\0")),
    {"x" * 5_000: "y"},
    {str(number): "" for number in range(2_000)},
    {"job": "a", "text": "x" * 5_000},
    {"path": "/etc/passwd"} | META,
    {"job": {"path": "/etc/passwd"} | META},
    {"job": "a", "file": [{"path": "/etc/passwd", "url": "http://127.0.0.1/"} | META]},
]
"""What a component's event carries, forged."""


@pytest.mark.parametrize("event", ["_cancel", "_resume", "_withdraw", "_retry", "_retry_surely"])
def test_what_an_event_carries(event: str, visitor: Visitor, victim: Victim, record: Record):
    """Forged, it is refused on a card, whether a job is named beside it or not."""
    number = visitor.event(event)
    for jobs in ("", victim.job_id):
        data = visitor.form(number, token=secrets.token_urlsafe(32), job=jobs)
        came = visitor.calls(number, [data] * len(CARRIED), CARRIED)
        for carried, one in zip(CARRIED, came, strict=True):
            record(
                f"form: {event} of {jobs and 'a stolen job'}, carrying {str(carried)[:40]}",
                "refused",
                outcome(*one),
            )


def files(address: str, path: str) -> list[Any]:
    """An address in every place that a file has for one."""
    return [
        {"path": address} | META,
        {"path": address, "url": address} | META,
        {"path": None, "url": address} | META,
        {"path": path, "url": address} | META,
        {"path": address, "orig_name": "a.svg"} | META,
        {"path": address, "is_stream": True} | META,
        {"path": address},
        {"video": {"path": address} | META},
        address,
    ]


ADDRESSES = [
    "http://127.0.0.1:{port}/a.png",
    "http://localhost:{port}/a.png",
    "HTTP://127.0.0.1:{port}/a.png",
    "http://[::1]:{port}/a.png",
    "http://0.0.0.0:{port}/a.png",
    "http://2130706433:{port}/a.png",
    "http://127.0.0.1.:{port}/a.png",
    "http://a@127.0.0.1:{port}/a.png",
    "http://169.254.169.254/latest/meta-data/",
    "http://metadata.google.internal/a.png",
    "https://huggingface.co/a.png",
    "file:///etc/passwd",
    "data:image/png;base64,iVBORw0KGgo=",
    "/etc/passwd",
    "{folder}/output/wan.sqlite3",
    "{folder}/uploads/../output/wan.sqlite3",
    "~/.alibabacloud/credentials",
]
FIELDS = [("start", "reference_image"), ("start_1", "reference_video"), ("reuse", "video")]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(("event", "field"), FIELDS, ids=[event for event, _ in FIELDS])
def test_files_that_were_not_uploaded(
    event: str,
    field: str,
    address: str,
    app: App,
    visitor: Visitor,
    listener: Listener,
    record: Record,
):
    """A file as an address: nothing is fetched, nothing but what was uploaded is opened, and
    nothing is kept.
    """
    kept = upload(app.url, [("a.png", (SAMPLES / "coffee.png").read_bytes())]).json()[0]
    number, came, before = visitor.event(event), set(), _kept(app)
    given = files(address.format(port=listener.port, folder=app.folder), kept)
    values = (
        [value for one in given for value in ([one], [one, one])]
        if field == "reference_video"
        else given
    )
    for well, shown in visitor.calls(
        number,
        [
            visitor.form(number, token=visitor.token, seed="none that there is", **{field: value})
            for value in values
        ],
    ):
        came.add(
            "leaked" if "sk-secret" in str(shown) or "root:" in str(shown) else outcome(well, shown)
        )
    record(
        f"file: {event} with {address}",
        "no harm, 0 fetched, 0 kept",
        f"{harm(came)}, {len(listener.heard)} fetched, {len(_kept(app) - before)} kept",
    )


def test_a_component_that_an_update_replaced_is_read_as_before(
    visitor: Visitor, app: App, record: Record
):
    """Gradio makes a component anew at `gr.update`, without what was set on the first; its own
    reader leaves an empty file, or opens a picture.
    """
    bomb = upload(app.url, [("a.png", b"\x89PNG no picture")]).json()[0]
    recall, start = visitor.event("reuse_1"), visitor.event("start_1")
    visitor.call(recall, visitor.form(recall, token=visitor.token))
    before = _kept(app)
    well, shown = visitor.call(
        start,
        visitor.form(
            start, token=visitor.token, prompt="x", reference_video=[{"path": bomb} | META]
        ),
    )
    record(
        "file: what is no picture, after an update of its field",
        "refused, 0 kept",
        f"{outcome(well, shown)}, {len(_kept(app) - before)} kept",
    )


def _kept(app: App) -> set[Path]:
    return {path for path in below(app.folder / "uploads") if path.is_file()}


TEXTS = [("start", "url"), ("start", "audio_url"), ("start_1", "urls")]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(("event", "field"), TEXTS, ids=[field for _, field in TEXTS])
def test_addresses_in_text(
    event: str,
    field: str,
    address: str,
    app: App,
    visitor: Visitor,
    listener: Listener,
    record: Record,
):
    number = visitor.event(event)
    given = {"prompt": "A quiet sea.", field: address.format(port=listener.port, folder=app.folder)}
    for name in ("url", "urls", "audio_url", "seed", "fps", "negative_prompt"):
        given.setdefault(name, "")
    if field == "audio_url":
        given["url"] = "https://example.com/a.png"
    public = (
        address == "https://huggingface.co/a.png"
    )  # passed on to the service, which is what the field is for
    came = outcome(*visitor.call(number, visitor.form(number, token=visitor.token, **given)))
    wanted = f"{'became a job' if public else 'refused'}, 0 fetched"
    record(f"address: {field} with {address}", wanted, f"{came}, {len(listener.heard)} fetched")


def test_jobs_of_others(app: App, visitor: Visitor, victim: Victim, record: Record):
    theirs = ("list_jobs", "open", "use", "frame", "again", "delete", "bundle", "compare", "join")
    theirs += (
        "choose_all",
        "pack",
        "delete_chosen",
        "annotate",
        "star",
        "move",
        "retry",
        "withdraw",
    )
    for name in (
        "watch",
        "_cancel",
        "_resume",
        "_retry",
        "_retry_surely",
        "_withdraw",
        "greet",
        *theirs,
    ):
        number, tried = visitor.event(name), []
        for what, token, job in (
            ("of another's job", visitor.token, victim.job_id),
            ("with its media token", visitor.token, victim.media),
            ("with its id for a token", victim.job_id, victim.job_id),
        ):
            for among, shown in (
                ("", job),
                (", among several", f"{job} ~{job} ?{job} ={job}"),
                (", aimed at", secrets.token_urlsafe(16)),
            ):
                aimed = {"job": job} if name in theirs or among == ", aimed at" else {}
                chosen = f"{job} {victim.job_id}"
                form = visitor.form(number, token=token, job=shown, chosen=chosen)
                tried.append((f"job: {name} {what}{among}", form, aimed, shown))
        attacks, forms, carried, echoed = zip(*tried, strict=True)
        came = visitor.calls(number, forms, carried)
        for attack, one, shown in zip(attacks, came, echoed, strict=True):
            record(attack, "nothing of it", _seen(one, victim, echoed=shown))
    own = [
        victim.media[:-1],
        victim.media.swapcase(),
        victim.media + "x",
        "%",
        "*",
        "",
        victim.job_id,
        secrets.token_urlsafe(32),
    ]
    for token in own:
        record(
            "media: guessed token "
            f"{'(almost right)' if token and token in victim.media else token[:8]!r}",
            404,
            ask(app.url, "GET", f"/media/{token}/video.mp4").status,
        )
    for name in (
        "video.mp4.part",
        "wan.sqlite3",
        "original.mp4.json",
        "..",
        "evidence.json",
        "VIDEO.MP4",
    ):
        record(
            f"media: {name} by the right token",
            404,
            ask(app.url, "GET", f"/media/{victim.media}/{name}").status,
        )
    assert (
        ask(app.url, "GET", f"/media/{victim.media}/video.mp4").status == 200
    )  # not an attack: it is there


def _seen(came: tuple[bool, Any], victim: Victim, echoed: str) -> str:
    view = json.dumps([part for part in came[1] if part != echoed]) if came[0] else ""
    view = re.sub(
        r'data-(?:gone|of-open|of-job)=\\"[^"]*"', "", view
    )  # says only which of the ids that were given lead nowhere
    return "the job" if victim.media in view or victim.job_id in view else "nothing of it"
