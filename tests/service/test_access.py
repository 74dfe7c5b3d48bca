"""Who may spend: the access policy, the keys in memory, the day's budget, what is logged."""

import asyncio
import logging
import secrets
import sqlite3
import string
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import gradio as gr
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr

from tests.blocking import Store
from tests.database.test_store import ACCOUNTS, NOW, job
from tests.service.test_studio import OWNER, finished, image
from wan.database.accounts import person_row
from wan.database.refusals import OverBudget
from wan.domain import catalog
from wan.domain.errors import AccessRefused, InvalidInput, SettingsError, WanError
from wan.domain.ids import Seal
from wan.domain.jobs import Job, JobState, Spent
from wan.domain.redact import guard_logs, redact, strip_signatures
from wan.environment.connection import Connection
from wan.environment.settings import load_settings
from wan.service import polling
from wan.service.access import AccessPolicy, KeyRing, Permission
from wan.service.new_jobs import NewJobs
from wan.service.refusals import explain_refusals
from wan.service.studio import Studio
from wan.ui import connection
from wan.ui.caller import Caller, Events, owner_of
from wan.ui.stage import TabStage, make_viewers

OWN = Connection(
    backend="dashscope",
    base_url="https://dashscope.aliyuncs.com/api/v1",
    region="cn-beijing",
    workspace="",
    key=SecretStr("sk-operator"),
)
DAY = "2026-03-01"


def policy(monkeypatch, clock=lambda: 0.0, **settings) -> AccessPolicy:
    for name, value in {
        "WAN_BACKEND": "auto",
        "DASHSCOPE_API_KEY": "sk-operator",
        **settings,
    }.items():
        monkeypatch.setenv(name, value)
    return AccessPolicy(load_settings(), OWN, clock)


async def refusal(opened: AccessPolicy, **given) -> str:
    with pytest.raises(AccessRefused) as refused:
        await opened.authorize(**given)
    return refused.value.message.key


@pytest.mark.anyio
async def test_the_operators_key_needs_the_code_where_there_is_one(monkeypatch):
    opened = policy(monkeypatch, WAN_ACCESS_CODE="open sesame", WAN_DAILY_BUDGET="20")
    assert await refusal(opened) == "code_missing"
    assert await refusal(opened, code="sesame") == "code_wrong"
    permission = await opened.authorize(code=" open sesame ")
    assert (permission.connection, permission.budget, permission.jobs_at_once) == (
        OWN,
        Decimal(20),
        8,
    )


@pytest.mark.anyio
async def test_a_code_may_be_in_any_script(monkeypatch):
    opened = policy(monkeypatch, WAN_ACCESS_CODE="芝麻开门")
    assert await refusal(opened, code="芝麻") == "code_wrong"
    assert (await opened.authorize(code="芝麻开门")).connection == OWN


@pytest.mark.anyio
async def test_a_key_of_ones_own_needs_no_code_and_is_not_counted(monkeypatch):
    permission = await policy(monkeypatch, WAN_ACCESS_CODE="x", WAN_DAILY_BUDGET="20").authorize(
        key=" sk-ws-mine1234 ", region="ap-southeast-1", workspace="ws-1"
    )
    assert permission.connection.key.get_secret_value() == "sk-ws-mine1234"
    assert (permission.connection.base_url, permission.connection.workspace) == (
        catalog.BASE_URLS["ap-southeast-1"],
        "ws-1",
    )
    assert permission.budget is None
    assert permission.connection.account != OWN.account


@pytest.mark.process
@pytest.mark.anyio
async def test_where_all_else_is_a_demo_a_key_of_ones_own_has_the_price_of_its_region(monkeypatch):
    monkeypatch.delenv("WAN_BACKEND")
    about = {"model": "wan2.6-i2v-flash", "size": "1280*720", "duration": 5, "audio": True}
    async with Studio(load_settings()) as studio:
        assert studio.backend == "simulator"
        quoted = {
            region: await studio.submission.quote(**about, own_region=region)
            for region in ("cn-beijing", "ap-southeast-1")
        }
    assert not any(one.simulated for one in quoted.values())
    assert [str(one.price)[0] for one in quoted.values()] == ["¥", "$"]
    assert quoted["cn-beijing"].usual == catalog.MODELS["wan2.6-i2v-flash"].usual_seconds


@pytest.mark.anyio
@pytest.mark.parametrize(
    "wrong",
    [
        "hello",
        "sk-%",
        "sk-a b c d",
        "sk-abcd\r\nX-Evil: 1",
        "SK-ABCDEF",
        "sk-" + "a" * 5000,
        "sk-ключ",
    ],
)
async def test_what_is_no_key_is_refused_and_never_quoted(monkeypatch, wrong):
    with pytest.raises(InvalidInput) as refused:
        await policy(monkeypatch).authorize(key=wrong)
    assert refused.value.field == "key"
    assert wrong not in str(refused.value)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("region", "http://169.254.169.254"),
        ("region", "x" * 9999),
        ("workspace", "a\r\nb: c"),
        ("workspace", "sk-abcdef123"),
        ("workspace", "../x"),
    ],
)
async def test_a_visitors_key_goes_nowhere_else(monkeypatch, field, value):
    with pytest.raises(InvalidInput) as refused:
        await policy(monkeypatch).authorize(key="sk-mine1234", **{field: value})
    assert refused.value.field == field


@pytest.mark.anyio
async def test_guessing_waits_ever_longer_and_only_where_it_comes_from(monkeypatch):
    now = [0.0]
    opened = policy(monkeypatch, lambda: now[0], WAN_ACCESS_CODE="right")
    assert [await refusal(opened, code=f"wrong{number}", address="a") for number in range(5)] == [
        "code_wrong"
    ] * 3 + ["code_wait"] * 2
    assert await refusal(opened, code="right", address="a") == "code_wait"
    assert await opened.authorize(code="right", address="b")
    tried = 0
    for _ in range(3600):
        now[0] += 1
        tried += await refusal(opened, code="guess", address="a") == "code_wrong"
    assert tried < 20
    now[0] += 900
    assert await opened.authorize(code="right", address="a")


def test_keys_are_dropped_when_nothing_of_theirs_is_on_its_way_or_when_they_are_told_to():
    now = [0.0]
    keys = KeyRing(OWN, lambda: now[0])
    mine, theirs = (
        OWN.model_copy(update={"key": SecretStr(f"sk-{name}")}) for name in ("mine", "theirs")
    )
    keys.hold("me", mine)
    keys.hold("me", OWN)
    keys.hold("them", theirs)
    keys.hold("somebody", theirs)
    assert set(keys) == {OWN.account, mine.account, theirs.account}
    assert keys.forget("them") == 1
    assert keys[theirs.account] == theirs
    now[0] = 61
    keys.prune({("me", mine.account)})
    assert set(keys) == {OWN.account, mine.account}
    keys.forget("me")
    assert list(keys) == [OWN.account]
    with pytest.raises(KeyError):
        keys[mine.account]


def spent(store) -> Decimal:
    with store.engine.connect() as connection:
        return (
            Decimal(connection.exec_driver_sql("SELECT budget_spent FROM accounts").scalar_one())
            / 1_000_000
        )


def priced(number: int, amount: str = "1.50", day: str = DAY):
    return replace(
        job(number),
        currency="CNY",
        amount=Decimal(amount),
        reserved=Decimal(amount),
        budget_day=day,
        cache_key=f"kind{number}",
    )


def test_fifty_at_once_do_not_overdraw(store):
    def add(number):
        try:
            return store.add(priced(number), budget=Decimal("20"))
        except OverBudget as refused:
            return refused

    with ThreadPoolExecutor(50) as threads:
        came = list(threads.map(add, range(50)))
    assert len([one for one in came if isinstance(one, OverBudget)]) == 50 - 13
    assert spent(store) == Decimal("19.5")
    assert store.add(priced(60, day="2026-03-02"), budget=Decimal("20"))
    assert spent(store) == Decimal("1.5")


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "America/Los_Angeles"])
def test_the_day_of_the_budget_begins_at_midnight_utc(zone):
    midnight, permission = (
        datetime(2026, 3, 2, tzinfo=UTC).timestamp(),
        Permission(OWN, Decimal(20)),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        days = [
            NewJobs(Seal(b""), clock=lambda at=at: at)._new_job(OWNER, permission).budget_day
            for at in (midnight - 1, midnight)
        ]
    time.tzset()
    assert days == ["2026-03-01", "2026-03-02"]


def test_a_day_that_comes_late_does_not_begin_anew(store):
    store.add(priced(1, "9", day="2026-03-02"), budget=Decimal("10"))
    store.add(priced(2, "1", day=DAY), budget=Decimal("10"))
    with pytest.raises(OverBudget):
        store.add(priced(3, "1", day="2026-03-02"), budget=Decimal("10"))
    assert spent(store) == 10


def test_a_refused_job_is_not_written_and_a_joined_one_not_counted_twice(store):
    first = store.add(priced(1), budget=Decimal("2"))
    assert (
        store.add(replace(priced(1), id="other", media_token="other"), budget=Decimal("2")).id
        == first.id
    )
    with (
        pytest.raises(AccessRefused, match=r"today's budget of ¥2.00: ¥1.50 is used"),
        explain_refusals(),
    ):
        store.add(priced(2), budget=Decimal("2"))
    assert store.jobs.get("job2", "somebody") is None
    assert spent(store) == Decimal("1.5")


def test_takes_are_paid_for_all_or_none_and_joined_ones_once(store):
    two, four = [priced(number) for number in (1, 2)], [priced(number) for number in (1, 2, 3, 4)]
    store.queue.add(two, budget=Decimal("5"))
    assert spent(store) == 3
    refusal = r"budget of ¥5.00: ¥3.00 is used or reserved, and this costs up to ¥3.00"
    with pytest.raises(AccessRefused, match=refusal), explain_refusals():
        store.queue.add(
            [replace(one, id=f"other{one.id}", media_token=f"other{one.id}") for one in four],
            budget=Decimal("5"),
        )
    assert (spent(store), store.jobs.get("otherjob3", "somebody")) == (3, None)
    again = store.queue.add(
        [replace(one, id=f"again{one.id}", media_token=f"again{one.id}") for one in four],
        budget=Decimal("6"),
    )
    assert [one.id for one in again] == ["job1", "job2", "againjob3", "againjob4"]
    assert spent(store) == 6


def test_takes_count_together_for_the_jobs_at_once(store):
    store.queue.add([priced(1), priced(2)], at_once=3)
    refusal = "4 jobs in progress, but the limit is 3"
    with pytest.raises(AccessRefused, match=refusal), explain_refusals():
        store.queue.add([priced(3), priced(4)], at_once=3)
    assert store.jobs.get("job3", "somebody") is None
    same = [
        replace(priced(number), id=f"same{number}", media_token=f"same{number}")
        for number in (1, 2)
    ]
    assert [one.id for one in store.queue.add(same, at_once=1)] == ["job1", "job2"], (
        "what is joined is not counted again"
    )


@pytest.mark.parametrize(
    ("state", "known", "amount", "left"),
    [
        ("FAILED", Spent.NO, None, "0"),
        ("FAILED", Spent.YES, "1.20", "1.20"),
        ("EXPIRED", Spent.MAYBE, None, "1.50"),
        ("EXPIRED", Spent.MAYBE, "1.20", "1.50"),
    ],
)
def test_the_end_settles_what_was_reserved(store, state, known, amount, left):
    store.add(replace(priced(1), state=JobState.PENDING), budget=Decimal("2"))
    held = store.queue.claim(NOW, lease=10, accounts=ACCOUNTS)[0]
    store.queue.advance(
        held, JobState(state), NOW, spent=known, **({"amount": Decimal(amount)} if amount else {})
    )
    assert spent(store) == Decimal(left)


def test_what_a_job_did_not_cost_goes_back_to_its_own_day(store):
    store.add(replace(priced(1), state=JobState.PENDING), budget=Decimal("2"))
    held = store.queue.claim(NOW, lease=10, accounts=ACCOUNTS)[0]
    store.add(priced(2, day="2026-03-02"), budget=Decimal("2"))
    store.queue.advance(held, JobState.FAILED, NOW, spent=Spent.NO)
    assert spent(store) == Decimal("1.5"), "what the next day has reserved stays reserved"


def each_spent(store) -> dict[str, Decimal]:
    """What is spent of each budget that the database knows, by the row's name."""
    with store.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT account, budget_spent FROM accounts")
        return {account: Decimal(spent) / 1_000_000 for account, spent in rows}


def of(owner: str, number: int, amount: str = "1.50", day: str = DAY) -> Job:
    """A job of somebody's, with its price."""
    return replace(priced(number, amount, day), owner=owner)


def test_each_person_has_a_budget_within_the_accounts(store):
    budgets = {"budget": Decimal("6.5"), "per_person": Decimal("3")}
    ann, bob = of("ann", 1), of("bob", 2)
    for one in (ann, bob, of("ann", 3)):
        store.add(one, **budgets)
    mine = r"your budget of ¥3.00 for today: ¥0.00 is left, and this costs up to ¥1.50"
    ours = r"today's budget of ¥6.50: ¥4.50 is used or reserved, and this costs up to ¥2.10"
    for one, said in (
        (of("ann", 4), mine),
        (of("bob", 5, "2.10"), ours),
        (of("cleo", 6, "2.10"), ours),
    ):
        with pytest.raises(AccessRefused, match=said), explain_refusals():
            store.add(one, **budgets)
        assert store.jobs.get(one.id, one.owner) is None
    assert each_spent(store) == {
        ann.account: Decimal("4.5"),
        person_row(ann): Decimal("3"),
        person_row(bob): Decimal("1.5"),
    }
    assert store.add(of("ann", 7, day="2026-03-02"), **budgets), "the next day begins anew"


def test_fifty_of_one_person_at_once_do_not_overdraw(store):
    def add(number):
        try:
            return store.add(of(f"person {number % 2}", number), per_person=Decimal("20"))
        except OverBudget as refused:
            return refused

    with ThreadPoolExecutor(50) as threads:
        came = list(threads.map(add, range(50)))
    assert len([one for one in came if isinstance(one, OverBudget)]) == 50 - 26
    assert sorted(each_spent(store).values()) == [Decimal("19.5"), Decimal("19.5"), Decimal("39")]


@pytest.mark.parametrize(
    ("known", "amount", "left"),
    [(Spent.NO, None, "0"), (Spent.YES, "1.20", "1.20"), (Spent.MAYBE, "1.20", "1.50")],
)
def test_what_a_job_did_not_cost_goes_back_to_its_person(store, known, amount, left):
    mine, theirs = replace(of("ann", 1), state=JobState.PENDING), of("bob", 2)
    budgets = {"budget": Decimal("9"), "per_person": Decimal("2")}
    store.add(mine, **budgets)
    held = store.queue.claim(NOW, lease=10, accounts=ACCOUNTS)[0]
    store.add(theirs, **budgets)
    more = {"amount": Decimal(amount)} if amount else {}
    store.queue.advance(held, JobState.FAILED, NOW, spent=known, **more)
    assert each_spent(store) == {
        mine.account: Decimal(left) + Decimal("1.5"),
        person_row(mine): Decimal(left),
        person_row(theirs): Decimal("1.5"),
    }


def test_what_was_reserved_before_there_were_budgets_per_person_is_in_none_of_them(store):
    earlier = replace(of("ann", 1), state=JobState.PENDING, counts_for_person=False)
    store.add(earlier, budget=Decimal("9"))
    held = store.queue.claim(NOW, lease=10, accounts=ACCOUNTS)[0]
    store.add(of("ann", 2), budget=Decimal("9"), per_person=Decimal("2"))
    store.queue.advance(held, JobState.FAILED, NOW, spent=Spent.NO)
    assert each_spent(store) == {
        earlier.account: Decimal("1.5"),
        person_row(earlier): Decimal("1.5"),
    }


@pytest.mark.anyio
async def test_only_the_operators_key_has_a_budget_per_person(monkeypatch):
    settings = {"WAN_LOGINS": "ann:a,bob:b", "WAN_BUDGET_PER_PERSON": "12.50"}
    opened = policy(monkeypatch, **settings)
    assert (await opened.authorize()).budget_per_person == Decimal("12.50")
    assert (await opened.authorize()).is_limited
    assert opened.operator.budget_per_person is None
    assert (await opened.authorize(key="sk-theirs0123456789")).budget_per_person is None


@pytest.mark.parametrize("more", [{}, {"WAN_LOGINS": "ann:a", "WAN_BUDGET_PER_PERSON": "0"}])
def test_a_budget_per_person_needs_persons_and_money(monkeypatch, more):
    with pytest.raises(SettingsError, match="WAN_BUDGET_PER_PERSON"):
        policy(monkeypatch, **{"WAN_BUDGET_PER_PERSON": "12.50"} | more)


def test_nobody_fills_the_line_alone(store):
    for number in range(3):
        store.add(priced(number), at_once=3)
    with pytest.raises(AccessRefused, match="limit"), explain_refusals():
        store.add(priced(4), at_once=3)
    assert store.add(replace(priced(5), owner="somebody else"), at_once=3)


def test_a_database_of_an_earlier_version_gets_its_new_columns(tmp_path):
    Store(f"sqlite:///{tmp_path / 'old.sqlite3'}").close()
    with closing(sqlite3.connect(tmp_path / "old.sqlite3")) as old:
        old.execute("ALTER TABLE jobs DROP COLUMN reserved")
    store = Store(f"sqlite:///{tmp_path / 'old.sqlite3'}")
    assert store.add(priced(1)).reserved == Decimal("1.50")
    assert store.jobs.get("job1", "somebody").reserved == Decimal("1.50")
    store.close()


def test_the_log_never_says_a_key(caplog):
    before = logging.getLogRecordFactory()
    guard_logs()
    try:
        log = logging.getLogger("wan.test")
        try:
            raise ValueError("sk-ws-0123456789abcdef in a traceback")
        except ValueError:
            log.exception("the key %s and https://a.b/c?Signature=abc%%3D&x=1", "st-0123456789")
    finally:
        logging.setLogRecordFactory(before)
    assert "0123456789" not in caplog.text
    assert "st-***" in caplog.text
    assert "Signature=***&x=1" in caplog.text


@pytest.mark.parametrize(
    "key", ["sk-ws-H.EHXPLY.aBcD.MEUC", "sk-abc+/=defghijklmn", "sk-a.bcdefghijkl", "st-0123_4567"]
)
def test_every_key_that_is_taken_is_known_to_the_net(key):
    assert redact(f"it was {key}, they say") == f"it was {key[:3]}***, they say"


@pytest.mark.parametrize("text", ["a task-1234567", "the desk-lamps", "risk-free12", "sk-a"])
def test_what_is_no_key_is_left_alone(text):
    assert redact(text) == text


SIGNED = (  # how stores and CDNs sign an address; SECRET is what nobody may see
    *(
        "?OSSAccessKeyId=SECRET&Expires=SECRET&Signature=SECRET",
        "?Expires=1&security-token=SECRET%2BSECRET",
        "?Token=SECRET&x=1",
    ),
    *(
        "?x-oss-credential=SECRET&x-oss-security-token=SECRET&x-oss-signature=SECRET",
        "?sv=2022-11-02&sig=SECRET%3D",
    ),
    *(
        "?X-Amz-Algorithm=SECRET&X-Amz-Credential=SECRET&X-Amz-Date=SECRET&X-Amz-Signature=SECRET&X-Amz-Security-Token=SECRET",
        "#access_token=SECRET",
    ),
    *(
        "?AWSAccessKeyId=SECRET&Signature=SECRET",
        "?GoogleAccessId=SECRET&Signature=SECRET",
        "?X-Goog-Signature=SECRET",
        "?auth_key=SECRET-0-0-SECRET",
    ),
    *(
        "?q-sign-algorithm=sha1&q-ak=SECRET&q-signature=SECRET",
        "?Policy=SECRET&Key-Pair-Id=SECRET",
        "\\u0026Signature=SECRET\\u0026x=1",
    ),
    *(
        "&amp;signature=SECRET&amp;x",
        "%3FSignature%3DSECRET%26Expires%3DSECRET",
        "%253Fsig%253DSECRET",
        "?'Signature=SECRET' x",
    ),
    *(
        '{"Signature": "SECRET"}',
        "<OSSAccessKeyId>SECRET</OSSAccessKeyId><SignatureProvided>SECRET</SignatureProvided>",
        "{'Signature': 'SECRET', 'token': 'SECRET'}",
        "params=[('sig', 'SECRET'), ('security-token', 'SECRET')]",
    ),
    *(
        " SignatureProvided:SECRETkV9wPmV4",
        " security-token: CAIS/SECRETkV9+wPmV==",
        " x-oss-signature：SECRETkV9wPmV",
        " OSS4-HMAC-SHA256 Credential=SECRET/2026, Signature = SECRETkV9wPmV",
    ),
)


@pytest.mark.parametrize("signed", SIGNED)
def test_no_signature_comes_through(signed):
    for text in (
        f"https://a.b/c.png{signed} timed out",
        f"c.png{signed} timed out",
        f"下载{signed} timed out",
    ):
        for net in (redact, strip_signatures):
            assert "SECRET" not in net(text)
            assert net(text).endswith(" timed out")


def test_of_an_address_that_is_quoted_scheme_host_and_path_stay():
    text = "Download https://ann:pw@a.b:8443/c%20d.png?whatever=SECRET#SECRET timed out"
    assert strip_signatures(text) == "Download https://a.b:8443/c%20d.png timed out"
    assert (
        strip_signatures("oss://bucket/a.png, then http://[::1]:8400/x?y")
        == "oss://bucket/a.png, then http://[::1]:8400/x"
    )


@pytest.mark.parametrize(
    "text",
    [
        "the design=good",
        "a token: 5",
        "it expires in 5 s",
        "Expires: 2026-11-30T10:00:00Z",
        "bad token: character1",
        "violates policy: DataInspectionFailed2",
        "assign = 3",
        "a signature > 5 bytes",
        "1 < 2 > 1",
    ],
)
def test_what_signs_nothing_is_left_alone(text):
    assert strip_signatures(text) == redact(text) == text


ALNUM = string.ascii_letters + string.digits
# as the service gives them out: hex, workspace keys in parts, coding plan, temporary
KEYS = st.one_of(
    st.text("0123456789abcdef", min_size=32, max_size=32).map("sk-{}".format),
    st.lists(st.text(ALNUM + "_", min_size=1, max_size=60), min_size=2, max_size=5)
    .map(".".join)
    .filter(lambda it: len(it) > 7)
    .map("sk-ws-{}".format),
    st.text(ALNUM, min_size=20, max_size=64).map("sk-sp-{}".format),
    st.text(ALNUM, min_size=20, max_size=64).map("st-{}".format),
)
AROUND = st.sampled_from(
    [
        "",
        " ",
        "\n",
        '"',
        "'",
        "(",
        ")",
        ",",
        "<",
        "=",
        ":",
        "，",
        "犬",
        "é",
        "Bearer ",
        "st-bernard ",
        " sk-learn",
    ]
)


@given(KEYS, AROUND.filter(lambda it: not it[-1:].isalnum() or not it.isascii()), AROUND)
def test_no_key_comes_through(key, before, after):
    said = redact(f"{before}{key}{after}")
    assert key[6:] not in said
    assert said.startswith(f"{before}{key[:3]}***")


WORD = st.from_regex(r"[A-Z]?[a-z]{1,15}", fullmatch=True)


@given(
    st.sampled_from(["sk-", "st-"]),
    st.lists(WORD, min_size=1, max_size=4).map("-".join),
    st.sampled_from(["", ".", ", who", "!", "'s", "）", "犬", "\n", "?"]),
)
@example("st-", "bernard", " dog in st-petersburg")
def test_words_are_no_keys(begins, words, after):
    text = f"a {begins}{words}{after}"
    assert redact(text) == text


def test_the_key_that_is_set_is_known_whatever_its_shape(monkeypatch):
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-plain-words,and-more")
    load_settings().connection()
    assert redact("it is sk-plain-words,and-more") == "it is sk-***"


def test_a_budget_needs_prices(monkeypatch):
    monkeypatch.setenv("WAN_BACKEND", "dashscope")
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-operator")
    monkeypatch.setenv("DASHSCOPE_BASE_URL", "https://example.com/api/v1")
    monkeypatch.setenv("WAN_DAILY_BUDGET", "20")
    with pytest.raises(SettingsError, match="DASHSCOPE_REGION"):
        load_settings()
    monkeypatch.setenv("DASHSCOPE_REGION", "cn-beijing")
    assert load_settings().daily_budget == 20


@pytest.mark.parametrize("wrong", ["name", ":x", "a:b,,"])
def test_logins_are_pairs(monkeypatch, wrong):
    monkeypatch.setenv("WAN_LOGINS", wrong)
    with pytest.raises(SettingsError, match="WAN_LOGINS: got \\*\\*\\*"):
        load_settings()


@pytest.mark.anyio
class TestTheWholeWay:
    """The service against the simulator, over real HTTP."""

    @pytest.fixture(autouse=True)
    def _service(self, simulator, monkeypatch):
        monkeypatch.setenv("WAN_BACKEND", "dashscope")
        monkeypatch.setenv("DASHSCOPE_API_KEY", f"sk-operator{secrets.token_hex(4)}")
        monkeypatch.setenv("DASHSCOPE_BASE_URL", simulator.base_url)
        monkeypatch.setenv("DASHSCOPE_REGION", "cn-beijing")
        monkeypatch.setattr(
            polling, "next_poll_delay", lambda every, attempts=0, retry_after=None: 0.1
        )

    async def test_a_visitors_key_makes_a_video_waits_after_a_restart_and_is_nowhere_on_the_disk(
        self, simulator, tmp_path
    ):
        key = f"sk-visitor{secrets.token_hex(8)}"
        async with Studio(load_settings()) as studio:
            permission = await studio.access.policy.authorize(key=key)
            done = await finished(
                studio, await studio.submission.submit(image(), owner=OWNER, permission=permission)
            )
            assert (done.state, done.account) == (JobState.SUCCEEDED, permission.connection.account)
            with simulator.fault("query", "status-503"):
                job = await studio.submission.submit(
                    image(prompt="a restart"), owner=OWNER, permission=permission
                )
                async for event in studio.watching.follow(job.id, owner=OWNER):
                    if event.job.state is JobState.PENDING:
                        break
        async with Studio(load_settings()) as studio:
            waiting = await studio.watching.snapshot(job.id, owner=OWNER)
            assert waiting.message.key == "waits_for_key_until"
            assert f"{datetime.now(UTC).year}" in str(waiting.message)
            assert (
                await studio.access.check(
                    await studio.access.policy.authorize(key=key), owner=OWNER
                )
            ).key == "check_good"
            assert (await finished(studio, job)).state is JobState.SUCCEEDED
            assert studio.access.forget_keys(owner=OWNER) == 1
        written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
        assert len(written) > 5
        assert not any(key.encode() in content for content in written)

    async def test_the_budget_holds_through_the_whole_way(self, monkeypatch):
        monkeypatch.setenv("WAN_DAILY_BUDGET", "1.00")
        async with Studio(load_settings()) as studio:
            job = await studio.submission.submit(image(), owner=OWNER)  # 0.60
            with pytest.raises(AccessRefused, match="budget"):
                await studio.submission.submit(image(prompt="another"), owner=OWNER)
            failed = await studio.submission.submit(
                image(prompt="simulate:InternalError", audio=False), owner=OWNER
            )  # 0.30, given back at its end
            assert [(await finished(studio, one)).state for one in (job, failed)] == [
                JobState.SUCCEEDED,
                JobState.FAILED,
            ]
            assert await studio.submission.submit(image(prompt="a third", audio=False), owner=OWNER)
            with pytest.raises(AccessRefused, match="budget"):
                await studio.submission.retry(job.id, owner=OWNER)

    async def test_a_persons_budget_holds_through_the_whole_way(self, monkeypatch):
        monkeypatch.setenv("WAN_LOGINS", "ann:a,bob:b")
        monkeypatch.setenv("WAN_BUDGET_PER_PERSON", "1.00")
        async with Studio(load_settings()) as studio:
            permission = await studio.access.policy.authorize()

            async def submit(owner: str, prompt: str, *, audio: bool = True) -> Job:
                request = image(prompt=prompt, audio=audio)
                return await studio.submission.submit(request, owner=owner, permission=permission)

            job = await submit("ann", "one")  # 0.60
            with pytest.raises(AccessRefused, match=r"¥0\.40 is left, and this costs up to ¥0\.60"):
                await submit("ann", "another")
            assert await submit("bob", "one"), "with a budget of his own"
            failed = await submit("ann", "simulate:InternalError", audio=False)  # 0.30, given back
            assert [(await finished(studio, one, owner="ann")).state for one in (job, failed)] == [
                JobState.SUCCEEDED,
                JobState.FAILED,
            ]
            assert await submit("ann", "a third", audio=False)
            with pytest.raises(AccessRefused, match=r"¥0\.10 is left"):
                await studio.submission.retry(job.id, owner="ann", permission=permission)
            assert await studio.submission.submit(image(prompt="here"), owner=OWNER)

    @pytest.mark.parametrize(
        ("fault", "key", "found"),
        [
            ("", "sk-good1234", "check_good"),
            ("", "sk-invalid-1234", "key_unknown"),
            ("status-403", "sk-good1234", "access_denied"),
            ("html-403", "sk-good1234", "blocked"),
            ("code-Workspace.AccessDenied", "sk-good1234", "workspace_denied"),
            ("code-Arrearage", "sk-good1234", "arrears"),
            ("code-Throttling.AllocationQuota", "sk-good1234", "quota_used_up"),
            ("status-429", "sk-good1234", "check_busy"),
            ("status-500", "sk-good1234", "check_odd"),
            ("drop-before", "sk-good1234", "check_unreached"),
        ],
    )
    async def test_a_check_says_what_is_the_matter(self, simulator, fault, key, found):
        async with Studio(load_settings()) as studio:
            before = simulator.stats()["created"]
            permission = await studio.access.policy.authorize(key=key)
            if fault:
                with simulator.fault("list", fault):
                    said = await studio.access.check(permission, owner=OWNER)
            else:
                said = await studio.access.check(permission, owner=OWNER)
        assert said.key == found
        assert key not in str(said)
        assert simulator.stats()["created"] == before

    async def test_forgetting_in_the_middle_leaves_the_job_waiting(self, simulator):
        async with Studio(load_settings()) as studio:
            permission = await studio.access.policy.authorize(key="sk-forgetful1234")
            with simulator.fault("query", "delay-1"):
                job = await studio.submission.submit(image(), owner=OWNER, permission=permission)
                async for event in studio.watching.follow(job.id, owner=OWNER):
                    if event.job.state is JobState.PENDING:
                        break
                studio.access.forget_keys(owner=OWNER)
            while (
                seen := await studio.watching.snapshot(job.id, owner=OWNER)
            ).message.key != "waits_for_key_until":
                assert seen.job.live
                await asyncio.sleep(0.02)
            assert seen.job.live
            with pytest.raises(WanError):
                await studio.submission.retry(job.id, owner=OWNER)
            await studio.access.check(permission, owner=OWNER)
            assert (await finished(studio, job)).state is JobState.SUCCEEDED

    async def test_one_owner_does_not_take_the_streams_of_all(self, simulator):
        async with Studio(load_settings()) as studio:
            with gr.Blocks():
                events = Events("en", studio, connection.build("en", studio))
                run = TabStage(events, "image", [catalog.IMAGE_TO_VIDEO], make_viewers())
            pages = [gr.Request(username="somebody", session_hash=f"page {n}") for n in range(21)]
            with simulator.fault("policy", "status-503"):
                owner = owner_of(studio, "", pages[0])
                job = await studio.submission.submit(image(), owner=owner)
                viewers = [run.watch(Caller(studio, page, ""), job.id) for page in pages]
                for viewer in viewers:
                    assert "data-live" in await anext(viewer)
                with pytest.raises(StopAsyncIteration):
                    await anext(viewers[-1])
                for viewer in viewers:
                    await viewer.aclose()
                assert not run._viewers._held
            assert not run._newest

    async def test_a_page_listens_to_its_newest_stream_alone(self, simulator):
        async with Studio(load_settings()) as studio:
            with gr.Blocks():
                events = Events("en", studio, connection.build("en", studio))
                run = TabStage(events, "image", [catalog.IMAGE_TO_VIDEO], make_viewers())
            page = Caller(studio, gr.Request(username="somebody", session_hash="page"), "")
            with simulator.fault("policy", "status-503"):
                job = await studio.submission.submit(image(), owner=page.owner)
                older, newer = run.watch(page, job.id), run.watch(page, job.id)
                for stream in (older, newer):
                    assert "data-live" in await anext(stream)
                await studio.submission.cancel(job.id, owner=page.owner)
                with pytest.raises(StopAsyncIteration):
                    await anext(older)
                assert "CANCELLED" in [one async for one in newer][-1]

    async def test_links_can_be_withdrawn(self):
        async with Studio(load_settings()) as studio:
            done = await finished(
                studio,
                await studio.submission.submit(
                    image(), owner=OWNER, permission=Permission(studio.access.connection)
                ),
            )
            assert await studio.library.find_media(done.media_token, "video.mp4")
            anew = await studio.library.withdraw_links(done.id, owner=OWNER)
            assert await studio.library.find_media(done.media_token, "video.mp4") is None
            assert await studio.library.find_media(anew.media_token, "video.mp4")
            with pytest.raises(WanError):
                await studio.library.withdraw_links(done.id, owner="somebody else")
