"""The tables, and what a database of an earlier version is given so that it has them.

One column, `due_at`, is schedule, lease and fencing token: a claim moves it on, and every write
names the value that it claimed, so that whoever lost the lease writes nothing. The one write that
is not fenced is the task id of a paid request.
"""

import secrets

import sqlalchemy as sa
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import JSON

from wan.database.columns import Messages, Money, References
from wan.domain.ids import Seal
from wan.domain.jobs import LIVE, UNSENT

_SCHEMA_LOCK = 0x57414E  # any number that nothing else on the database takes
_TURN_LIMIT = "60s"  # a second for each of many that start at once on a busy machine
_SEAL = "seal"  # under which its key is kept
# characters of a hash without the key, as earlier versions wrote them; one with it has
# `Seal.LENGTH`
_PLAIN = 64

METADATA = MetaData()

JOBS = Table(
    "jobs",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("account", String(16), nullable=False),
    Column("backend", String(16), nullable=False),
    Column("base_url", Text, nullable=False),
    Column("region", String(32), nullable=False),
    Column("workspace", String(128), nullable=False),
    Column("model", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("due_at", Float(53)),
    # To what the last claim moved `due_at`: while they are the same, somebody works on the job.
    Column("claimed_until", Float(53)),
    # When the end of its task was announced, while nobody knew of it yet (`announcements.py`).
    Column("announced_at", Float(53)),
    Column("version", Integer, nullable=False),
    Column("request", JSON, nullable=False),
    Column("references", References, nullable=False),
    Column("reference_names", JSON),  # in their order; empty in older rows
    Column("payload", JSON, nullable=False),
    Column("cache_key", String(64), nullable=False),
    Column("nonce", String(32), nullable=False),
    Column("brief_id", String(32), nullable=False),
    Column("take", Integer),
    Column("retried_from", String(32), nullable=False),
    Column("cancel_wanted", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("task_id", String(128)),
    Column("foreign_tasks", JSON, key="not_ours", nullable=False),
    Column("absent_at", Float(53), key="first_absent_at"),
    Column("request_id", String(128), nullable=False),
    Column("code", String(128), nullable=False),
    Column("said", Messages, nullable=False),
    Column("spent", String(8), nullable=False),
    Column("adjustments", Messages, nullable=False),
    *(
        Column(name, Float(53))
        for name in ("created_at", "started_at", "submitting_at", "submitted_at")
    ),
    *(Column(name, Float(53)) for name in ("running_at", "fetching_at", "ended_at", "state_at")),
    Column("run_seconds", Float(53)),
    Column("media_token", String(64), nullable=False, unique=True),
    Column("video_key", Text, nullable=False),
    Column("original_key", Text, nullable=False),
    Column("poster_key", Text, nullable=False),
    Column("width", Integer),
    Column("height", Integer),
    Column("fps", Float(53)),
    Column("duration", Float(53)),
    Column("has_audio", Boolean),
    Column("seed", BigInteger, nullable=False),
    Column("billed_seconds", Float(53)),
    Column("amount", Money),
    Column("currency", String(3), nullable=False),
    Column("reserved", Money),
    Column("budget_day", String(10), nullable=False),
    Column("counts_for_person", Boolean),
    Column("address", String(64)),  # a keyed hash; who has none counts by their owner
    Column(
        "prompt_folded", Text
    ),  # what a search looks through: SQLite itself folds no letters but those of English
    # What it is called in the library, whether it has a star there, and its project.
    Column("name", Text),
    Column("name_folded", Text),  # as `prompt_folded`
    Column("starred", Boolean),
    Column("project", Text),
)
# A row of an earlier version has no folded prompt.
PROMPT_FOLDED = sa.func.coalesce(
    JOBS.c.prompt_folded, sa.func.lower(JOBS.c.request["prompt"].as_string()), type_=Text()
)
UNSENT_STATES = [state.value for state in sorted(UNSENT)]
IS_LIVE = JOBS.c.state.in_([state.value for state in sorted(LIVE)])
Index("jobs_due", JOBS.c.due_at)
Index("jobs_due_of_account", JOBS.c.account, JOBS.c.due_at)
Index("jobs_of_owner", JOBS.c.owner, JOBS.c.created_at)
Index("takes_of_brief", JOBS.c.brief_id, JOBS.c.take)
Index("jobs_of_address", JOBS.c.address, JOBS.c.state)
Index("jobs_begun", JOBS.c.account, JOBS.c.model, JOBS.c.started_at)
Index("jobs_made", JOBS.c.model, JOBS.c.ended_at)
Index("jobs_of_account", JOBS.c.account, JOBS.c.model, JOBS.c.state)
LIVE_SQL = sa.text("state IN ({})".format(", ".join(f"'{state.value}'" for state in sorted(LIVE))))
_SUBMITTING_SQL = sa.text("state = 'SUBMITTING'")
# The join: at most one live job of a kind per owner and account; whoever loses the insert joins the
# other's.
Index(
    "jobs_one_live_of_a_kind",
    *(JOBS.c.owner, JOBS.c.account, JOBS.c.cache_key),
    unique=True,
    sqlite_where=LIVE_SQL,
    postgresql_where=LIVE_SQL,
)
Index("jobs_one_per_task", JOBS.c.account, JOBS.c.task_id, unique=True)
# Time windows must not overlap when it comes to asking which task is ours.
Index(
    "jobs_one_submitting",
    *(JOBS.c.account, JOBS.c.model),
    unique=True,
    sqlite_where=_SUBMITTING_SQL,
    postgresql_where=_SUBMITTING_SQL,
)

ACCOUNTS = Table(
    "accounts",
    METADATA,
    Column("account", String(16), primary_key=True),
    Column("submit_at", Float(53), nullable=False),  # from when the next create request may leave
    Column("query_at", Float(53), nullable=False),  # from when the next query may leave
    Column("budget_day", String(10), nullable=False),
    Column("budget_spent", Money, nullable=False),
)

# What has been uploaded for an account and model, so that the same bytes go up once in their 48 h.
UPLOADS = Table(
    "uploads",
    METADATA,
    Column("account", String(16), primary_key=True),
    Column("model", String(32), primary_key=True),
    Column("sent_key", String(128), primary_key=True),
    Column("url", Text, nullable=False),
    Column("uploaded_at", Float(53), nullable=False),
)

# Tasks whose jobs were deleted: they are still in the account's list, and no job whose answer was
# lost may take one for its own.
DELETED_TASKS = Table(
    "deleted_tasks",
    METADATA,
    Column("account", String(16), primary_key=True),
    Column("task_id", String(128), primary_key=True),
    Column("deleted_at", Float(53), nullable=False),
)

# What jobs cost that were deleted: nothing else of them is kept.
DELETED_COSTS = Table(
    "deleted_costs",
    METADATA,
    *(Column(name, JOBS.c[name].type, nullable=False) for name in ("owner", "account", "model")),
    *(Column(name, JOBS.c[name].type, nullable=False) for name in ("state", "spent", "currency")),
    Column("id", String(32), primary_key=True),
    Column("created_at", Float(53), nullable=False, index=True),
    Column("amount", Money),
    Column("seconds", Float(53)),
)

REVIEWS = Table(
    "reviews",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("owner", String(64), nullable=False, index=True),
    Column("title", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("link_hash", String(64), nullable=False, unique=True),
    Column("created_at", Float(53), nullable=False),
    Column("expires_at", Float(53)),
    Column("revoked_at", Float(53)),
    Column(
        "with_settings",
        Boolean,  # whether reviewers see and get what takes were made with; older rows: no
    ),
    Column(
        "link_token",
        String(64),  # while it is open, for its owner to show; opens no more than `media_token`
    ),
    Column("changes", Integer),  # counts what viewers see of it; empty in older rows
)
REVIEW_TAKES = Table(
    "review_takes",
    METADATA,
    Column("review_id", ForeignKey("reviews.id"), primary_key=True),
    Column("job_id", String(32), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("label", String(8)),  # its number as reviewers read it; in older rows its position
    Column("added_at", Float(53)),  # empty for the takes that a review was made of
    UniqueConstraint("review_id", "position"),
)
VERDICTS = Table(
    "verdicts",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("review_id", ForeignKey("reviews.id"), nullable=False),
    Column("job_id", String(32), nullable=False),
    Column("verdict", String(8), nullable=False),
    Column("comment", Text, nullable=False),
    Column("at_seconds", Float(53)),
    Column("name", Text, nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("reviewer", String(32)),
    Column("place", String(32)),  # tells networks apart within a review; empty in older rows
    # What a search looks through, as the prompts of jobs are; emptied by every change that writes
    # no other, so that nobody finds what a comment does not say any more.
    Column("comment_folded", Text, onupdate=sa.null()),
    Column("edited_at", Float(53)),
    Column("resolved_at", Float(53)),
)
# A row of an earlier version, or one that was changed, has no folded comment.
COMMENT_FOLDED = sa.func.coalesce(
    VERDICTS.c.comment_folded, sa.func.lower(VERDICTS.c.comment), type_=Text()
)
REPLIES = Table(
    "replies",
    METADATA,
    Column("id", String(32), primary_key=True),
    # An earlier version that deletes a review beside us knows nothing of its replies.
    Column("review_id", ForeignKey("reviews.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("comment_id", String(32), nullable=False),  # the verdict whose comment it answers
    Column("text", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("edited_at", Float(53)),
    Column("reviewer", String(32)),  # empty for the review's owner
    Column("place", String(32)),
)
# What every process on this database must have the same, and makes only once.
KEYS = Table(
    "keys",
    METADATA,
    Column("name", String(32), primary_key=True),
    Column("value", String(64), nullable=False),
)
# The processes that live, on a PostgreSQL.
REPLICAS = Table(
    "replicas",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("host", Text, nullable=False),
    Column("storage", Text, nullable=False),  # without anything secret
    Column("seen_at", Float(53), nullable=False),
)
# What is counted for all processes on a PostgreSQL together (`limits.py`).
LIMITS = Table(
    "limits",
    METADATA,
    Column("kind", String(16), primary_key=True),
    Column("subject", String(64), primary_key=True),  # a keyed hash
    Column("due_at", Float(53), nullable=False),
    Column("tries", Integer, nullable=False),
)
# Which of them has a visitor's key for an account (`key_holders.py`).
KEY_HOLDERS = Table(
    "key_holders",
    METADATA,
    Column("account", String(16), primary_key=True),
    Column("holder", String(32), primary_key=True),
    Column("seen_at", Float(53), nullable=False),
)
# With the time, so that a review's version is read from here, past all the words.
Index("verdicts_of_review", VERDICTS.c.review_id, VERDICTS.c.created_at)


def create(connection: sa.Connection) -> Seal:
    """Create what is missing of the schema, and return the key for what is hashed here."""
    if connection.dialect.name == "postgresql":
        _take_turn(connection)
    METADATA.create_all(connection)
    _add_missing_columns(connection)
    seal = Seal(_load_key(connection))
    _seal_rows(connection, seal)
    _refuse_older_versions(connection)
    return seal


def _take_turn(connection: sa.Connection) -> None:
    """Come one after the other where many processes start at once: those before may need longer
    than anybody waits for another lock.
    """
    usual = connection.execute(sa.text("SHOW lock_timeout")).scalar_one()
    set_limit = "SELECT set_config('lock_timeout', :limit, true)"
    connection.execute(sa.text(set_limit), {"limit": _TURN_LIMIT})
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_SCHEMA_LOCK)))
    connection.execute(sa.text(set_limit), {"limit": usual})


def _add_missing_columns(connection: sa.Connection) -> None:
    """Give a database of an earlier version the columns that have come since, each of which may be
    empty, and then the indexes.
    """
    for table in METADATA.sorted_tables:
        there = {column["name"] for column in sa.inspect(connection).get_columns(table.name)}
        for column in table.columns:
            if column.name not in there:
                kind = column.type.compile(connection.dialect)
                connection.exec_driver_sql(
                    f"ALTER TABLE {table.name} ADD COLUMN {column.name} {kind}"
                )
        for index in table.indexes:
            index.create(connection, checkfirst=True)


def _load_key(connection: sa.Connection) -> bytes:
    """Return the key for what is hashed here, made by whoever comes first; the transaction holds up
    all others meanwhile.
    """
    ours = KEYS.c.name == _SEAL
    value = connection.execute(sa.select(KEYS.c.value).where(ours)).scalar()
    if value is None:
        value = secrets.token_hex(32)
        connection.execute(KEYS.insert().values(name=_SEAL, value=value))
    return bytes.fromhex(value)


def _seal_rows(connection: sa.Connection, seal: Seal) -> None:
    """Hash once more, with the key, what a version before it had one has hashed without; its length
    tells which is which.
    """
    for column, purpose in (
        (JOBS.c.owner, "owner"),
        (REVIEWS.c.owner, "owner"),
        (REVIEWS.c.link_hash, "link"),
    ):
        plain = (
            connection.execute(sa.select(column).where(_is_plain(column)).distinct())
            .scalars()
            .all()
        )
        change = (
            column.table.update()
            .where(column == sa.bindparam("plain"))
            .values({column.name: sa.bindparam("sealed")})
        )
        if plain:
            connection.execute(
                change, [{"plain": one, "sealed": seal.hash(purpose, one)} for one in plain]
            )


def _is_plain(column: Column[str]) -> sa.ColumnElement[bool]:
    return sa.func.length(column) == _PLAIN


def _refuse_older_versions(connection: sa.Connection) -> None:
    """Let the database refuse what a process of a version without the key writes beside us: its
    owners would be others.

    It can still go on with what is on its way, and ends nothing; what is asked of it anew fails
    before anything is sent.
    """
    for table in (JOBS, REVIEWS):
        name = f"{table.name}_of_newer_version"
        if connection.dialect.name == "sqlite":
            refuse = "SELECT RAISE(ABORT, 'this database belongs to a newer version of the app')"
            condition = f"WHEN length(NEW.owner) = {_PLAIN}"
            connection.exec_driver_sql(
                f"CREATE TRIGGER IF NOT EXISTS {name} BEFORE INSERT ON {table.name} "
                f"{condition} BEGIN {refuse}; END"
            )
        elif name not in {
            one["name"] for one in sa.inspect(connection).get_check_constraints(table.name)
        }:
            connection.exec_driver_sql(
                f"ALTER TABLE {table.name} ADD CONSTRAINT {name} CHECK (length(owner) <> {_PLAIN})"
            )
