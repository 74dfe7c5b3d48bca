"""A short row for each job: what the library is counted, filtered and searched by, without what
makes the rows of jobs long. A search looks through all of an owner's, in the order of the pages.

The database keeps them itself, by triggers: so they are right whichever version of the app writes a
job, and nothing else writes them.
"""

from typing import Any

import sqlalchemy as sa

from wan.database.schema import JOBS, PROMPT_FOLDED
from wan.domain.jobs import LIVE

# Of its own: they are made from the jobs, and nothing of them is to be rescued.
_METADATA = sa.MetaData()
_KEY = ("owner", "created_at", "id")  # in whose order they lie in SQLite, and are looked through
LISTED = sa.Table(
    "listed_jobs",
    _METADATA,
    *(sa.Column(name, JOBS.c[name].type, primary_key=True) for name in _KEY),
    *(sa.Column(name, JOBS.c[name].type, nullable=False) for name in ("state", "model")),
    sa.Column("starred", sa.Boolean, nullable=False),
    sa.Column("project", sa.Text, nullable=False),
    sa.Column("words", sa.Text, nullable=False),  # of prompt and name, folded
    sqlite_with_rowid=False,
)
# Without parameters, in which SQLite does not see the condition of an index.
IS_LIVE = LISTED.c.state.in_([sa.literal_column(f"'{state.value}'") for state in sorted(LIVE)])
HAS_STAR = LISTED.c.starred.is_(sa.true())
HAS_PROJECT = LISTED.c.project != sa.literal_column("''")
NEWEST = LISTED.c.created_at.desc(), LISTED.c.id.desc()

# What is counted and the order of the pages, without the words. PostgreSQL's primary key gives that
# order; there each owner stands once, in a twentieth of the room.
sa.Index("listed_in_order", *(LISTED.c[name] for name in _KEY)).ddl_if(dialect="sqlite")
sa.Index("listed_of_owner", LISTED.c.owner).ddl_if(dialect="postgresql")
for _name, _condition, *_columns in (
    ("live", IS_LIVE, LISTED.c.state, LISTED.c.created_at),
    ("starred", HAS_STAR, LISTED.c.starred),
    ("by_project", HAS_PROJECT, LISTED.c.project, LISTED.c.created_at),
):
    _where: dict[str, Any] = {"sqlite_where": _condition, "postgresql_where": _condition}
    sa.Index(f"listed_{_name}", LISTED.c.owner, *_columns, **_where)

_TRIGGER = "list_job"
_ROW = sa.select(
    *(JOBS.c[name] for name in (*_KEY, "state", "model")),
    sa.func.coalesce(JOBS.c.starred, sa.false()),
    sa.func.coalesce(JOBS.c.project, ""),
    sa.func.coalesce(PROMPT_FOLDED, "") + "\n" + sa.func.coalesce(JOBS.c.name_folded, ""),
)
_READ = "owner, created_at, state, model, starred, project, request, prompt_folded, name_folded"
_REMOVE = (
    "DELETE FROM listed_jobs WHERE (owner, created_at, id) = (OLD.owner, OLD.created_at, OLD.id);"
)
_ON_SQLITE = (
    "CREATE TRIGGER list_new_job AFTER INSERT ON jobs BEGIN {add}; END",
    f"CREATE TRIGGER {_TRIGGER} AFTER UPDATE OF {_READ} ON jobs BEGIN {_REMOVE} {{add}}; END",
    f"CREATE TRIGGER unlist_job AFTER DELETE ON jobs BEGIN {_REMOVE} END",
)
_ON_POSTGRESQL = (
    f"""
CREATE OR REPLACE FUNCTION {_TRIGGER}() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$ BEGIN
    IF TG_OP <> 'INSERT' THEN {_REMOVE} END IF;
    IF TG_OP <> 'DELETE' THEN {{add}}; END IF;
    RETURN NULL;
END $$
""",
    f"CREATE TRIGGER {_TRIGGER} AFTER INSERT OR DELETE OR UPDATE OF {_READ} ON jobs "
    f"FOR EACH ROW EXECUTE FUNCTION {_TRIGGER}()",
)


def keep_listed(connection: sa.Connection) -> None:
    """Have the database keep the rows, and make them anew where some are missing: of the jobs from
    before it kept them.
    """
    _METADATA.create_all(connection)
    for index in LISTED.indexes:
        index.create(connection, checkfirst=True)
    _create_triggers(connection)
    rows = [sa.select(sa.func.count()).select_from(one).scalar_subquery() for one in (JOBS, LISTED)]
    of_jobs, listed = connection.execute(sa.select(*rows)).one()
    if of_jobs != listed:
        connection.execute(LISTED.delete())
        connection.execute(
            LISTED.insert().from_select([*LISTED.c], _ROW.order_by(JOBS.c.created_at))
        )


def _create_triggers(connection: sa.Connection) -> None:
    is_sqlite = connection.dialect.name == "sqlite"
    known = (
        sa.text("SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND name = :name")
        if is_sqlite
        else sa.text("SELECT 1 FROM pg_trigger WHERE tgrelid = 'jobs'::regclass AND tgname = :name")
    )
    if connection.execute(known, {"name": _TRIGGER}).first() is not None:
        return
    row = _ROW.where(JOBS.c.id == sa.literal_column("NEW.id"))
    insert = LISTED.insert().from_select([*LISTED.c], row)
    add = insert.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
    for statement in _ON_SQLITE if is_sqlite else _ON_POSTGRESQL:
        connection.exec_driver_sql(statement.replace("{add}", str(add)))
