"""What is kept by account: the day's budget, when the next request may leave, what was uploaded."""

import hashlib
from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

import sqlalchemy as sa

from wan.database.columns import Money
from wan.database.engine import Part, dialect_of, in_thread
from wan.database.refusals import OverBudget
from wan.database.schema import ACCOUNTS, UPLOADS
from wan.domain.jobs import Job, Spent


class Accounts(Part):
    """The accounts at the service, by the hash of their key."""

    @in_thread
    def reserve_slot(
        self, account: str, what: Literal["submit_at", "query_at"], now: float, gap: float
    ) -> float:
        """Book the account's next request, at least `gap` seconds after the one booked before.
        Returns the seconds to wait for it.
        """
        column = ACCOUNTS.c[what]
        with self._database.writing() as connection:
            lock(connection, [account])
            booked = float(
                connection.execute(
                    sa.select(column).where(ACCOUNTS.c.account == account)
                ).scalar_one()
            )
            turn = max(booked, now)
            connection.execute(
                ACCOUNTS.update().where(ACCOUNTS.c.account == account).values({column: turn + gap})
            )
        return turn - now

    @in_thread
    def claim_upload(
        self, account: str, model: str, sent_key: str, now: float, *, lifetime: float, lease: float
    ) -> str | None:
        """Return the URL under which a file was uploaded in the last `lifetime` seconds; "" where
        somebody is at it; None: it is for the caller to do.

        Whoever gets None has `lease` seconds, and calls `note_upload` at the end, with "" where it
        failed.
        """
        same = (
            (UPLOADS.c.account == account)
            & (UPLOADS.c.model == model)
            & (UPLOADS.c.sent_key == sent_key)
        )
        with self._database.writing() as connection:
            lock(connection, [account])
            found = connection.execute(UPLOADS.select().where(same)).first()
            if found is not None and found.uploaded_at > now - (lifetime if found.url else lease):
                return str(found.url)
            connection.execute(UPLOADS.delete().where(same))
            connection.execute(
                UPLOADS.insert().values(
                    account=account, model=model, sent_key=sent_key, url="", uploaded_at=now
                )
            )
        return None

    @in_thread
    def note_upload(self, account: str, model: str, sent_key: str, url: str) -> None:
        """End a claim of `claim_upload`: with the URL, or with "" so that the next may try."""
        same = (
            (UPLOADS.c.account == account)
            & (UPLOADS.c.model == model)
            & (UPLOADS.c.sent_key == sent_key)
        )
        with self._database.writing() as connection:
            connection.execute(
                UPLOADS.update().where(same).values(url=url)
                if url
                else UPLOADS.delete().where(same)
            )

    @in_thread
    def forget_uploads(self, before: float) -> None:
        """Forget what was uploaded before a time; the service has forgotten it too."""
        with self._database.writing() as connection:
            connection.execute(UPLOADS.delete().where(UPLOADS.c.uploaded_at < before))


def lock(connection: sa.Connection, accounts: list[str]) -> None:
    """Hold the accounts' rows until the transaction ends, so that what is counted under them stays
    true. SQLite has one writer anyway.

    Always in the same order, and before any row of jobs: so no two transactions wait for each
    other.
    """
    unused = {"submit_at": 0.0, "query_at": 0.0, "budget_day": "", "budget_spent": Decimal(0)}
    connection.execute(
        dialect_of(connection)
        .insert(ACCOUNTS)
        .values([{"account": account, **unused} for account in sorted(accounts)])
        .on_conflict_do_nothing()
    )
    held = (
        sa.select(ACCOUNTS.c.account)
        .where(ACCOUNTS.c.account.in_(accounts))
        .order_by(ACCOUNTS.c.account)
        .with_for_update()
    )
    connection.execute(held).all()


def reserve(
    connection: sa.Connection,
    new: Sequence[Job],
    budget: Decimal | None,
    per_person: Decimal | None = None,
) -> None:
    """Take what jobs of one owner may cost from the day's budgets: the account's, and the owner's
    own where there is one. Raises OverBudget where either does not reach.
    """
    price = sum((one.reserved or Decimal(0) for one in new), Decimal(0))
    rows = [new[0].account, *([] if per_person is None else [person_row(new[0])])]
    lock(connection, rows)
    for row, limit in zip(rows, (budget, per_person), strict=False):
        _take(connection, row, new[0], price, limit)


def person_row(job: Job) -> str:
    """Return under what the accounts' table keeps what an owner spends of an account."""
    return hashlib.sha256(f"{job.account}\n{job.owner}".encode()).hexdigest()[:16]


def _take(
    connection: sa.Connection, row: str, job: Job, price: Decimal, limit: Decimal | None
) -> None:
    """Take a price from a day's budget, by one UPDATE that only goes through where enough is left.
    Raises OverBudget.
    """
    none = sa.literal(Decimal(0), Money())
    # A later day begins anew; one that comes late, over midnight or from a slow clock, is
    # counted to the day that has begun.
    spent = sa.case((ACCOUNTS.c.budget_day < job.budget_day, none), else_=ACCOUNTS.c.budget_spent)
    day = sa.case(
        (ACCOUNTS.c.budget_day < job.budget_day, job.budget_day), else_=ACCOUNTS.c.budget_day
    )
    after = sa.type_coerce(spent + sa.literal(price, Money()), Money())
    this = ACCOUNTS.c.account == row
    within = sa.true() if limit is None else after <= sa.literal(limit, Money())
    taken = ACCOUNTS.update().where(this, within).values(budget_day=day, budget_spent=after)
    if connection.execute(taken).rowcount or limit is None:
        return
    so_far = connection.execute(sa.select(sa.type_coerce(spent, Money())).where(this)).scalar_one()
    raise OverBudget(limit, so_far, price, job.currency, is_persons=row != job.account)


def settle(connection: sa.Connection, ended: Job) -> None:
    """Give back to the day's budgets what an ended job did not cost. What nobody can know stays
    spent.
    """
    if ended.reserved is None or ended.spent is Spent.MAYBE:
        return
    cost = (
        Decimal(0)
        if ended.spent is Spent.NO
        else ended.reserved
        if ended.amount is None
        else ended.amount
    )
    difference = sa.literal(cost - ended.reserved, Money())
    persons = [] if ended.counts_for_person is False else [person_row(ended)]
    for row in sorted([ended.account, *persons]):  # in the order of `lock`
        day = (ACCOUNTS.c.account == row) & (ACCOUNTS.c.budget_day == ended.budget_day)
        connection.execute(
            ACCOUNTS.update()
            .where(day)
            .values(budget_spent=sa.type_coerce(ACCOUNTS.c.budget_spent + difference, Money()))
        )
