"""Who may read the metrics, and what they tell: of a real app that pays at a simulator."""

import asyncio
import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from tests import plain_http
from tests.attacks.setups import forwarding
from tests.attacks.visitor import API, Answer, Visitor, ask, called, picture_url, upload
from tests.browser.serving import SAMPLES, App, served
from tests.patience import PATIENCE
from tests.simulators import Simulator, serving
from wan.domain.errors import Refused
from wan.domain.jobs import JobState
from wan.domain.messages import Message
from wan.environment.settings import load_settings
from wan.provider.refusals import documented_code
from wan.service.metrics import BOUNDS, OPERATIONS, Metrics
from wan.service.studio import Studio
from wan.simulator.errors import CODES
from wan.web import metrics
from wan.web.exposition import Exposition, collect

TOKEN, KEY, CODE = "a-token.of/Prometheus+1=", "sk-operator-0a1b2c3d4e5f", "sesame-4711-open"
OWNER, PROMPT = "an-owner-of-thirty-two-characters-or-more", "a prompt that is nobody's business"
ME = {"X-Wan-Token": OWNER, "X-Wan-Code": CODE}
BEARER = {"Authorization": f"Bearer {TOKEN}"}
CHANGING = ("date",)
LABELS = {"state", "operation", "error", "code", "currency", "le", "generation"}


@dataclass(frozen=True)
class Shop:
    app: App
    simulator: Simulator

    def order(self, prompt: str = PROMPT, **given) -> dict:
        """Asks for a video of 2 s, and waits until it has ended."""
        request = {"prompt": prompt, "reference_image": picture_url(), "duration": 2}
        how, said = called(self.app.url, "image_to_video", request | {"wait": 60} | given, ME)
        assert how == "complete", said
        return said[0]

    def read(self) -> dict[tuple[str, ...], float]:
        """The samples by their names and label values."""
        return samples(scraped(self.app).body)


def samples(text: bytes) -> dict[tuple[str, ...], float]:
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        assert family.documentation, family.name
        for sample in family.samples:
            assert set(sample.labels) <= LABELS
            name = (sample.name, *(value for _, value in sorted(sample.labels.items())))
            assert name not in found
            found[name] = sample.value
    return found


def scraped(app: App, path: str = "/metrics", **headers: str) -> Answer:
    return ask(app.url, "GET", path, headers=BEARER | headers)


def told(answer: Answer) -> tuple:
    """All that an answer tells whoever asked."""
    kept = {name: value for name, value in answer.headers.items() if name not in CHANGING}
    return answer.status, answer.body, kept


def until(shop: Shop, name: tuple[str, ...], value: float) -> None:
    give_up = time.monotonic() + PATIENCE
    while (got := shop.read()[name]) != value:
        assert time.monotonic() < give_up, got
        time.sleep(0.05)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """2 s of video cost 0.60, and the budget is 20."""
    folder = tmp_path_factory.mktemp("shop")
    with serving(folder / "service", "--pending", "0.2", "--running", "0.2") as simulator:
        settings = {
            "WAN_BACKEND": "auto",
            "DASHSCOPE_API_KEY": KEY,
            "DASHSCOPE_BASE_URL": simulator.base_url,
            "DASHSCOPE_REGION": "cn-beijing",
            "WAN_ACCESS_CODE": CODE,
            "WAN_DAILY_BUDGET": "20",
            "WAN_POLL_SECONDS": "1",
            "WAN_METRICS": TOKEN,
            "GRADIO_ROOT_PATH": "/wan",
        }
        with served(folder / "app", **settings) as app:
            yield Shop(app, simulator)


def test_whoever_lacks_the_token_is_told_what_they_are_told_of_a_path_that_leads_nowhere(
    shop: Shop,
):
    nowhere = told(ask(shop.app.url, "GET", "/nothing-of-ours"))
    for sent in (
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}=",
        f"Bearer {TOKEN.upper()}",
        f"Bearer {TOKEN} {TOKEN}",
        f"Basic {TOKEN}",
        TOKEN,
        f"Bearer {'x' * 8000}",
        "Bearer é",
    ):
        for path in ("/metrics", "/wan/metrics"):
            headers = {"Authorization": sent} if sent else {}
            assert told(ask(shop.app.url, "GET", path, headers=headers)) == nowhere, sent
    nowhere = told(ask(shop.app.url, "HEAD", "/nothing-of-ours"))
    assert told(ask(shop.app.url, "HEAD", "/metrics")) == nowhere
    none = {"Content-Length": "0"}
    nowhere = told(ask(shop.app.url, "POST", "/nothing-of-ours", headers=none))
    assert told(ask(shop.app.url, "POST", "/metrics", headers=none | BEARER)) == nowhere
    assert ask(shop.app.url, "GET", f"/metrics?token={TOKEN}").status == 404


def test_whoever_has_it_reads_the_metrics(shop: Shop):
    for path in ("/metrics", "/wan/metrics"):
        answer = scraped(shop.app, path, Accept="application/openmetrics-text")
        assert answer.status == 200
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-type"].startswith("text/plain; version=")
    assert scraped(shop.app, Authorization=f"bearer  {TOKEN} ").status == 200
    head = ask(shop.app.url, "HEAD", "/metrics", headers=BEARER)
    assert (head.status, head.body) == (200, b"")


def test_a_run_moves_the_counters(shop: Shop):
    before = shop.read()
    first = shop.order(seed=7)
    assert first["state"] == "SUCCEEDED"
    assert shop.order(seed=7)["job_id"] == first["job_id"]
    after = shop.read()

    def moved(*name: str) -> float:
        return after[name] - before.get(name, 0)

    count, total = "wan_service_request_seconds_count", "wan_service_request_seconds_sum"
    for operation in ("submit", "upload", "fetch"):
        assert moved(count, operation) == 1
        assert moved("wan_service_request_seconds_bucket", "+Inf", operation) == 1
        assert 0 < moved(total, operation) < PATIENCE
    assert moved(count, "query") >= 2
    assert moved("wan_jobs", "SUCCEEDED") == 1
    assert moved("wan_cache_hits_total") == 1
    assert moved("wan_video_bought_seconds_total") == 2
    assert moved("wan_spent_today", "CNY") == pytest.approx(0.6)
    assert moved("wan_budget_left", "CNY") == pytest.approx(-0.6)
    assert after["wan_budget_left", "CNY"] == pytest.approx(20 - after["wan_spent_today", "CNY"])
    assert after["wan_database_up",] == 1
    assert after["process_resident_memory_bytes",] > 1e7
    assert {name[1] for name in after if name[0] == "wan_jobs"} == {one.value for one in JobState}
    edges = [name[1] for name in after if name[0].endswith("_bucket") and name[2] == "submit"]
    assert [float(one) for one in edges] == [*BOUNDS, float("inf")]


def test_errors_are_counted_by_what_the_service_documents_and_no_further(shop: Shop):
    for code in ("DataInspectionFailed", "Made.Up", "Made.Up2", "Made.Up3\\n"):
        assert shop.order(f"simulate:{code}")["state"] == "FAILED"
    with shop.simulator.fault("create", "code-Arrearage"):
        assert shop.order("refused")["state"] == "FAILED"
    with shop.simulator.fault("query", "status-500", count=1):
        assert shop.order("asked again")["state"] == "SUCCEEDED"
    errors = {
        tuple(sample.labels[name] for name in ("operation", "error", "code")): sample.value
        for family in text_string_to_metric_families(scraped(shop.app).body.decode())
        for sample in family.samples
        if sample.name == "wan_service_errors_total"
    }
    assert errors.pop(("query", "BadResponse", "InternalError")) == 1
    assert errors == {
        ("run", "Refused", "DataInspectionFailed"): 1,
        ("run", "Refused", "other"): 3,
        ("submit", "Refused", "Arrearage"): 1,
    }


def test_every_code_that_the_service_documents_is_told_as_it_is():
    assert {documented_code(code) for code in CODES} & {"other", "none"} == set()
    assert [documented_code(code) for code in ("", "invalid-api_key", "InvalidApiKey.Of.ann")] == [
        "none",
        "InvalidApiKey",
        "other",
    ]


def test_who_watches_and_who_joins_is_counted(shop: Shop):
    until(shop, ("wan_viewers",), 0)
    before = shop.read()["wan_joined_requests_total",]
    with shop.simulator.holding("RUNNING"):
        watching = [threading.Thread(target=shop.order, args=["watched"]) for _ in range(2)]
        for one in watching:
            one.start()
        until(shop, ("wan_viewers",), 2)
        until(shop, ("wan_jobs", "RUNNING"), 1)
        assert shop.read()["wan_joined_requests_total",] == before + 1
    for one in watching:
        one.join(PATIENCE)
    until(shop, ("wan_viewers",), 0)


def test_who_leaves_the_page_is_no_viewer_any_more(shop: Shop):
    with shop.simulator.holding("RUNNING"):
        job = shop.order("left", wait=0)["job_id"]
        page = Visitor(shop.app.url, token=OWNER, headers=ME)
        page.close()
        assert page.join(page.event("watch"), [OWNER, job]).status == 200
        with socket.create_connection(("127.0.0.1", shop.app.port), timeout=PATIENCE) as stream:
            about = "".join(f"{name}: {value}\r\n" for name, value in ME.items())
            asked = f"{API}/queue/data?session_hash={page.session}"
            stream.sendall(f"GET {asked} HTTP/1.1\r\nHost: 127.0.0.1\r\n{about}\r\n".encode())
            until(shop, ("wan_viewers",), 1)
        until(shop, ("wan_viewers",), 0)  # nothing has changed that would be sent


def test_uploads_are_counted_with_their_bytes(shop: Shop):
    until(shop, ("wan_uploads_in_progress",), 0)
    before = shop.read()["wan_uploaded_bytes_total",]
    content = (SAMPLES / "coffee.png").read_bytes()
    assert upload(shop.app.url, [("a.png", content)]).status == 200
    sent = shop.read()["wan_uploaded_bytes_total",] - before
    assert len(content) < sent < len(content) + 1000
    begun = (
        b"POST /gradio_api/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n"
        b"Content-Type: multipart/form-data; boundary=edge\r\n\r\n--edge\r\n"
    )
    with socket.create_connection(("127.0.0.1", shop.app.port), timeout=PATIENCE) as connection:
        connection.sendall(begun)
        until(shop, ("wan_uploads_in_progress",), 1)
    until(shop, ("wan_uploads_in_progress",), 0)


def test_nothing_that_is_told_says_who_or_what(shop: Shop):
    job = shop.order("Somebody's own words", seed=11)
    text = scraped(shop.app).body.decode()
    account = shop.app.rows("SELECT DISTINCT account, owner FROM jobs")
    secrets = [TOKEN, KEY, KEY[3:], CODE, OWNER, PROMPT, "Somebody", job["job_id"], "127.0.0.1"]
    secrets += [str(shop.app.folder), "wan2.6", *(value for row in account for value in row)]
    assert [secret for secret in secrets if secret and secret in text] == []
    log = shop.app.log()
    assert [secret for secret in (TOKEN, KEY, CODE) if secret in log] == []
    pages = [plain_http.get(f"{shop.app.url}{path}").text for path in ("/", "/zh", "/config")]
    assert [secret for secret in (TOKEN, CODE) for page in pages if secret in page] == []


@pytest.mark.process
def test_it_is_off_by_default(tmp_path):
    with served(tmp_path) as app:
        nowhere = told(ask(app.url, "GET", "/nothing-of-ours"))
        for headers in ({}, BEARER, {"Authorization": "Bearer "}, {"Authorization": "Bearer None"}):
            assert told(ask(app.url, "GET", "/metrics", headers=headers)) == nowhere


@pytest.mark.process
def test_loopback_is_this_machine_and_no_proxy_on_it(tmp_path):
    settings = {"WAN_METRICS": "loopback", "WAN_TRUSTED_PROXIES": "127.0.0.1", "WAN_HOSTS": "a.b"}
    with served(tmp_path, **settings) as app, forwarding(app.port) as proxy:
        nowhere = told(ask(app.url, "GET", "/nothing-of-ours"))
        for host in ("127.0.0.1", "localhost:7860", "[::1]"):
            assert samples(ask(app.url, "GET", "/metrics", headers={"Host": host}).body)
        for headers in (
            {"X-Forwarded-For": "203.0.113.7"},
            {"X-Forwarded-For": "127.0.0.1"},
            {"X-Forwarded-For": ""},
            {"X-Forwarded-Proto": "https"},
            {"X-Real-IP": "127.0.0.1"},
            {"Forwarded": "for=127.0.0.1"},
            {"Via": "1.1 proxy"},
            {"Host": "a.b"},
            {"Host": "10.1.2.3"},
        ):
            assert told(ask(app.url, "GET", "/metrics", headers=headers)) == nowhere, headers
        behind = replace(app, url=f"http://127.0.0.1:{proxy}")
        assert ask(behind.url, "GET", "/healthz").status == 200
        assert ask(behind.url, "GET", "/metrics").status == 404


def asking(peer: object, **headers: str) -> dict:
    """A request as it comes from its socket."""
    named = {"host": "127.0.0.1", **headers}
    raw = [(name.encode(), value.encode()) for name, value in named.items()]
    return {"type": "http", "client": peer, "headers": raw}


def test_what_counts_as_loopback_is_the_peer_of_the_socket(monkeypatch):
    monkeypatch.setenv("WAN_METRICS", "LOOPBACK")
    settings = load_settings()
    for host in ("127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"):
        assert metrics.may_read(settings, asking((host, 1)))
    for peer in (("192.0.2.1", 1), ("10.0.0.1", 1), ("", 0), None, ("localhost.example", 1)):
        assert not metrics.may_read(settings, asking(peer))


@pytest.mark.anyio
@pytest.mark.process
async def test_a_database_that_is_stuck_leaves_the_rest(environment, monkeypatch):
    monkeypatch.setattr("wan.service.monitoring._READ_LIMIT", 0.2)
    async with Studio(load_settings()) as studio:
        read = studio.monitoring.read_figures
        assert (await read()).jobs[JobState.QUEUED] == 0
        over = threading.Event()
        stuck = [asyncio.create_task(studio.stores.database.call(over.wait)) for _ in range(12)]
        try:
            assert await read() is None
            text = Exposition().write(collect(studio.metrics, None))
        finally:
            over.set()
            await asyncio.gather(*stuck)
        found = samples(text)
        assert found["wan_database_up",] == 0
        assert found["wan_viewers",] == 0
        assert not [name for name in found if name[0] in ("wan_jobs", "wan_spent_today")]


def test_two_apps_in_one_process_share_nothing():
    one, other = Metrics(), Metrics()
    with contextlib.suppress(Refused), one.measure("submit"):
        raise Refused(Message.of("uncertain"), code="InvalidApiKey")
    texts = [samples(Exposition().write(collect(each, None))) for each in (one, other)]
    counts = [each["wan_service_request_seconds_count", "submit"] for each in texts]
    assert counts == [1, 0]
    assert "wan_database_up" not in {family.name for family in REGISTRY.collect()}


def test_durations_count_in_the_part_that_they_are_within():
    counted = Metrics()
    histogram = counted.durations["fetch"]
    for seconds in (0.0, 0.05, 0.051, 60.0, 61.0, 1e6):
        histogram.add(seconds)
    found = samples(Exposition().write(collect(counted, None)))
    bucket = {
        edge: found["wan_service_request_seconds_bucket", edge, "fetch"]
        for edge in ("0.05", "0.1", "30", "60", "+Inf")
    }
    assert bucket == {"0.05": 2, "0.1": 3, "30": 3, "60": 4, "+Inf": 6}
    assert {name[1] for name in found if name[0].endswith("_count")} == set(OPERATIONS)


@pytest.mark.process
def test_the_library_is_not_loaded_where_nobody_may_read_them(environment):
    code = "import wan.ui.server, sys; assert 'prometheus_client' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
