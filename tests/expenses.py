"""What a house of a few people spent in a month: rows for the tests of who sees that, and how."""

from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal

from pydantic import SecretStr

from tests.blocking import Store
from tests.database.test_store import job
from wan.domain.ids import OPERATOR, Owners
from wan.domain.jobs import Job, JobState, Spent
from wan.environment.connection import Connection

MONTH = "2026-03"
AT = datetime(2026, 3, 15, 12, tzinfo=UTC).timestamp()
KEY, BASE_URL = "sk-of-the-house-1234", "http://127.0.0.1:9/api/v1"
SETTINGS = {
    "WAN_BACKEND": "dashscope",
    "DASHSCOPE_API_KEY": KEY,
    "DASHSCOPE_BASE_URL": BASE_URL,
    "WAN_LOGINS": "ann:secret-of-ann,bob:secret-of-bob",
    "WAN_OPERATORS": "ann",
}
ACCOUNT = Connection(
    backend="dashscope", base_url=BASE_URL, region="", workspace="", key=SecretStr(KEY)
).account
FORMULA = "=1+1 <b>"


def fill(url: str) -> None:
    """Fill an empty database. Of the house's key ann and bob spent ¥2.10 and ¥3.50, of which a
    deleted job cost ¥2.00, somebody who signs in no more perhaps ¥0.30, the command line $0.45; a
    job of ann's may cost ¥0.60 besides. Another key of bob's paid ¥9.00.
    """
    with closing(Store(url)) as store:
        owners = Owners(store.database.seal)
        ann, bob, cleo = (owners.of_login(name) for name in ("ann", "bob", "cleo"))
        rows = [
            _job(1, ann, "2.10", prompt="a boat"),
            _job(2, bob, "1.50", prompt=FORMULA),
            _job(3, bob, "2.00", prompt="a secret"),
            _job(4, bob, "9.00", account="another", prompt="of his own"),
            _job(5, cleo, "0.30", state=JobState.EXPIRED, spent=Spent.MAYBE),
            _job(6, OPERATOR, "0.45", currency="USD", account="an older one"),
            _job(7, bob, "5.00", state=JobState.FAILED, spent=Spent.NO, prompt="it failed"),
            _job(8, ann, "7.00", backend="simulator", account="", spent=Spent.NO),
            _job(9, ann, None, state=JobState.FAILED),
            _job(10, ann, "0.60", state=JobState.RUNNING, spent=Spent.NO, prompt="still made"),
            _job(11, ann, "4.00", created_at=AT - 31 * 24 * 3600, prompt="a month ago"),
        ]
        for row in rows:
            store.add(row)
        assert store.jobs.delete(rows[2], AT)


def _job(number: int, owner: str, amount: str | None, **changes) -> Job:
    given = {
        "owner": owner,
        "account": ACCOUNT,
        "backend": "dashscope",
        "base_url": BASE_URL,
        "state": JobState.SUCCEEDED,
        "spent": Spent.YES,
        "currency": "CNY",
        "amount": None if amount is None else Decimal(amount),
        "created_at": AT + number,
        "duration": 5.0,
    } | changes
    live = given["state"] is JobState.RUNNING
    prompt = given.pop("prompt", "a sea")
    return job(
        number,
        due_at=AT + 10**10 if live else None,
        ended_at=None if live else given["created_at"],
        request={"prompt": prompt, "duration": 5},
        **given,
    )
