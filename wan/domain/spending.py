"""What was made in a month, by whom, and what it cost. Pure.

Days and months are those of UTC, as the budgets' days are; a job counts on the day on which it was
submitted. What nobody can know counts as spent.
"""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Self

from wan.domain.catalog import format_money
from wan.domain.errors import InvalidInput
from wan.domain.ids import OPERATOR
from wan.domain.jobs import LIVE, JobState, Spent
from wan.domain.spreadsheets import escape_cell

_MONTH = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])")
_COLUMNS = (
    *("created", "person", "model", "prompt", "seconds", "state", "spent", "cost"),
    *("currency", "key", "job_id"),
)
_ZERO = Decimal(0)


@dataclass(frozen=True, kw_only=True)
class Expense:
    """A job, as far as it says what was made and what that cost."""

    job_id: str
    created_at: float
    """Seconds since 1970; so are all times."""
    owner: str
    account: str
    """A hash of the key that pays (`Connection.account`)."""
    model: str
    state: JobState
    spent: Spent
    amount: Decimal | None
    """The cost as on a job: an estimate until it ends; None for unknown."""
    currency: str
    seconds: float | None
    """Length of the video, or that asked for."""
    prompt: str = ""
    deleted: bool = False
    """Whether nothing of the job is kept but what it cost."""
    simulated: bool = False
    person: str = ""
    """Who made it: the name under which they sign in, OPERATOR, or "" for anybody else."""
    own_key: bool = True
    """Whether the key that pays is the operator's, as far as that is known."""

    @property
    def live(self) -> bool:
        """Whether it has not ended."""
        return self.state in LIVE

    @property
    def cost(self) -> Decimal | None:
        """What it cost, or may have cost; while it is on its way, what it may cost. None where that
        is not known.
        """
        free = self.simulated or (not self.live and self.spent is Spent.NO)
        return _ZERO if free else self.amount


@dataclass
class Total:
    """What several jobs cost together."""

    videos: int = 0
    """How many were made."""
    cost: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    """By currency; so is all money."""
    pending: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    """What jobs on their way may cost besides."""
    unpriced: int = 0
    """How many jobs cost something that is not known."""

    def add(self, one: Expense) -> None:
        """Count a job."""
        self.videos += one.state is JobState.SUCCEEDED
        if one.cost is None:
            self.unpriced += 1
        elif one.cost:
            (self.pending if one.live else self.cost)[one.currency] += one.cost


@dataclass
class Share:
    """What one person made in a month."""

    person: str
    """As in `Expense`."""
    today: Total = field(default_factory=Total)
    month: Total = field(default_factory=Total)

    def add(self, one: Expense, today: float) -> None:
        """Count a job. today: when the day began."""
        self.month.add(one)
        if one.created_at >= today:
            self.today.add(one)


@dataclass(frozen=True)
class Month:
    """A month in UTC."""

    name: str
    """2026-11."""
    since: float
    until: float

    @classmethod
    def named(cls, name: str, now: float) -> Self:
        """Return the month of a name; the present one for "". Raises InvalidInput."""
        if name and not _MONTH.fullmatch(name):
            raise InvalidInput("month", "field_type", given=name[:40], allowed="YYYY-MM")
        day = datetime.fromisoformat(f"{name}-01") if name else datetime.fromtimestamp(now, UTC)
        begin = datetime(day.year, day.month, 1, tzinfo=UTC)
        end = (begin + timedelta(days=31)).replace(day=1)
        return cls(f"{begin:%Y-%m}", begin.timestamp(), end.timestamp())

    @property
    def before(self) -> str:
        """The name of the month before."""
        return f"{datetime.fromtimestamp(self.since - 1, UTC):%Y-%m}"

    @property
    def after(self) -> str:
        """The name of the month after."""
        return f"{datetime.fromtimestamp(self.until, UTC):%Y-%m}"


@dataclass(frozen=True)
class Report:
    """What was made in a month."""

    month: Month
    is_present: bool
    """Whether today is in it."""
    expenses: Sequence[Expense]
    """Every job, newest first."""
    own: Sequence[Share]
    """What the operator's key paid, by person, the most expensive first."""
    others: Sequence[Share]
    """What other keys paid: people's own, or one that was set here before."""
    total: Share
    """All of `own` together."""


def report(
    expenses: Iterable[Expense], month: Month, now: float, names: Mapping[str, str], account: str
) -> Report:
    """Put together what was made in a month.

    expenses: of that month, newest first. names: of people, by owner. account: that of the
    operator's key; "" where there is none.
    """
    today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    whole, shares = Share(""), {True: dict[str, Share](), False: dict[str, Share]()}
    listed = [_assign(one, names, account) for one in expenses]
    for one in listed:
        share = shares[one.own_key].setdefault(one.person, Share(one.person))
        for each in (share, whole) if one.own_key else (share,):
            each.add(one, today.timestamp())
    own, others = (sorted(found.values(), key=_by_cost) for found in shares.values())
    return Report(month, month.since <= now < month.until, listed, own, others, whole)


def format_sums(money: Mapping[str, Decimal]) -> str:
    """Format amounts by currency for people; "" for none."""
    return " + ".join(format_money(amount, currency) for currency, amount in sorted(money.items()))


def format_plain(amount: Decimal) -> str:
    """Format an amount for programs: exactly, with two decimals at least."""
    whole, _, decimals = f"{amount.normalize():f}".partition(".")
    return f"{whole}.{decimals:0<2}"


def write_csv(report: Report) -> str:
    """Write every job of a report as CSV, under a line with the names of the columns."""
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n", quoting=csv.QUOTE_ALL)
    table.writerow(_COLUMNS)
    for one in report.expenses:
        table.writerow([escape_cell(value) for value in describe(one).values()])
    return written.getvalue()


def describe(one: Expense) -> dict[str, str]:
    """Return a job as programs get it."""
    values = (
        f"{datetime.fromtimestamp(one.created_at, UTC):%Y-%m-%dT%H:%M:%SZ}",
        one.person or "others",
        one.model,
        " ".join(one.prompt.split()),
        "" if one.seconds is None else f"{one.seconds:g}",
        "DELETED" if one.deleted else one.state.value,
        one.spent.value,
        "" if one.cost is None else format_plain(one.cost),
        one.currency if one.cost else "",
        "operator" if one.own_key else "other",
        one.job_id,
    )
    return dict(zip(_COLUMNS, values, strict=True))


def _assign(one: Expense, names: Mapping[str, str], account: str) -> Expense:
    """Say who made a job, and whose key paid."""
    is_operator = one.owner == OPERATOR
    person = OPERATOR if is_operator else names.get(one.owner, "")
    return replace(
        one, person=person, own_key=is_operator or one.simulated or one.account == account
    )


def _by_cost(share: Share) -> tuple[Decimal, str]:
    return -sum(share.month.cost.values(), _ZERO), share.person
