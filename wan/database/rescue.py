"""Merging a copy of the database into the database: the rows that it has not, and those that are
newer in the copy.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from wan.domain.jobs import LIVE

_LIVE = ", ".join(f"'{state.value}'" for state in sorted(LIVE))
_NOT_THERE = """
SELECT sql FROM copy.sqlite_master
WHERE sql IS NOT NULL AND name NOT IN (SELECT name FROM main.sqlite_master) ORDER BY rowid
"""
# A job that has its task goes before one that has not, whatever came after: it is paid for.
_NEWER = """
CREATE TEMP TABLE newer AS SELECT copy.id FROM copy.jobs copy
LEFT JOIN main.jobs there ON there.id = copy.id
WHERE (there.id IS NULL OR (copy.task_id IS NOT NULL AND there.task_id IS NULL)
    OR (copy.version >= there.version AND (copy.task_id IS NOT NULL OR there.task_id IS NULL)))
AND NOT EXISTS (
    SELECT 1 FROM main.deleted_tasks gone
    WHERE (gone.account, gone.task_id) = (copy.account, copy.task_id))
AND NOT EXISTS (SELECT 1 FROM main.jobs other
    WHERE other.id <> copy.id AND (other.account, other.task_id) = (copy.account, copy.task_id))
"""
_ONE_OF_A_KIND = f"""
UPDATE copy.jobs SET cache_key = 'rescued ' || id WHERE EXISTS (SELECT 1 FROM main.jobs other
    WHERE other.id <> jobs.id AND other.state IN ({_LIVE})
    AND (other.owner, other.account, other.cache_key) = (jobs.owner, jobs.account, jobs.cache_key))
"""  # noqa: S608 - our own states
_ONE_SUBMITTING = """
UPDATE copy.jobs SET state = 'UNCERTAIN' WHERE state = 'SUBMITTING' AND EXISTS (
    SELECT 1 FROM main.jobs other
    WHERE other.id <> jobs.id AND other.state = 'SUBMITTING'
    AND (other.account, other.model) = (jobs.account, jobs.model))
"""
# Each change of a comment is counted: where the copy has more of them in a review, what it has
# counts, but for what another process has written since; a comment that is empty there was deleted.
# A reply from before the copy's last word
# that the copy has not was deleted by its writer.
_DISCUSSED = (
    """
CREATE TEMP TABLE discussed AS SELECT copy.id, copy.changes FROM copy.reviews copy
JOIN main.reviews there ON there.id = copy.id
WHERE coalesce(copy.changes, 0) > coalesce(there.changes, 0)
""",
    """
DELETE FROM main.verdicts WHERE review_id IN (SELECT id FROM temp.discussed)
AND EXISTS (SELECT 1 FROM copy.verdicts copy WHERE copy.id = verdicts.id AND (
    (copy.comment = '' AND verdicts.comment <> '')
    OR coalesce(verdicts.edited_at, verdicts.created_at)
        <= coalesce(copy.edited_at, copy.created_at)))
""",
    """
DELETE FROM main.replies WHERE review_id IN (SELECT id FROM temp.discussed)
AND coalesce(edited_at, created_at) <= coalesce(
    (SELECT coalesce(edited_at, created_at) FROM copy.replies copy WHERE copy.id = replies.id),
    (SELECT max(coalesce(edited_at, created_at)) FROM (
        SELECT review_id, edited_at, created_at FROM copy.verdicts
        UNION ALL SELECT review_id, edited_at, created_at FROM copy.replies
    ) said WHERE said.review_id = replies.review_id))
""",
    """
UPDATE main.reviews SET changes = discussed.changes FROM temp.discussed discussed
WHERE discussed.id = reviews.id
""",
    "DROP TABLE temp.discussed",
)
_REVOKED = """
UPDATE main.reviews SET revoked_at = copy.revoked_at, link_token = NULL FROM copy.reviews copy
WHERE copy.id = reviews.id AND copy.revoked_at IS NOT NULL AND reviews.revoked_at IS NULL
"""
_BOOKED = """
UPDATE main.accounts SET
    submit_at = max(accounts.submit_at, copy.submit_at),
    query_at = max(accounts.query_at, copy.query_at),
    budget_day = max(accounts.budget_day, copy.budget_day),
    budget_spent = CASE WHEN copy.budget_day > accounts.budget_day THEN copy.budget_spent
        WHEN copy.budget_day < accounts.budget_day THEN accounts.budget_spent
        ELSE max(accounts.budget_spent, copy.budget_spent) END
FROM copy.accounts copy WHERE copy.account = accounts.account
"""
_GONE = (
    "DELETE FROM main.jobs WHERE (account, task_id) IN (SELECT account, task_id FROM "
    "copy.deleted_tasks)"
)

MERGED = (
    "keys",
    "reviews",
    "review_takes",
    "verdicts",
    "replies",
    "uploads",
    "deleted_tasks",
    "deleted_costs",
    "accounts",
)
"""Tables, beside that of jobs, whose rows are taken from a copy."""


def merge_copy(connection: sqlite3.Connection, copy: Path) -> int:
    """Merge a copy, in one transaction; doing it again changes nothing. Returns how many rows were
    written.

    connection: to the database, in autocommit. Raises sqlite3.Error, and then nothing is written.
    """
    if connection.execute("PRAGMA main.quick_check(1)").fetchone() != (
        "ok",
    ):  # the log went while it was being written in
        with closing(sqlite3.connect(copy)) as whole:
            whole.backup(connection)
    connection.execute("ATTACH ? AS copy", (str(copy),))
    try:
        connection.execute("BEGIN IMMEDIATE")
        try:
            rows = _merge_rows(connection)
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        return rows
    finally:
        connection.execute("DETACH copy")


def _merge_rows(connection: sqlite3.Connection) -> int:
    for (statement,) in connection.execute(_NOT_THERE).fetchall():
        connection.execute(statement)
    for statement in ("DROP TABLE IF EXISTS temp.newer", _NEWER, _ONE_OF_A_KIND, _ONE_SUBMITTING):
        connection.execute(statement)
    connection.execute("DELETE FROM main.jobs WHERE id IN (SELECT id FROM temp.newer)")
    found = connection.execute("SELECT name FROM copy.sqlite_master WHERE type = 'table'")
    in_copy = {name for (name,) in found.fetchall()}
    if "replies" in in_copy:  # else an earlier version has left it, which counted no changes
        for statement in ("DROP TABLE IF EXISTS temp.discussed", *_DISCUSSED):
            connection.execute(statement)
    rows = _insert(connection, "jobs", "WHERE id IN (SELECT id FROM temp.newer)")
    rows += connection.execute(_REVOKED).rowcount
    rows += sum(_insert(connection, table) for table in MERGED if table in in_copy)
    connection.execute(_BOOKED)
    connection.execute(_GONE)
    connection.execute("DROP TABLE temp.newer")
    return rows


def _insert(connection: sqlite3.Connection, table: str, which: str = "") -> int:
    """Write the rows of a table that are not there, and return how many."""
    with closing(
        connection.execute("SELECT name FROM pragma_table_info(?, 'copy')", (table,))
    ) as names:
        columns = ", ".join(f'"{name}"' for (name,) in names)
    return connection.execute(
        f"INSERT OR IGNORE INTO main.{table} ({columns}) SELECT {columns} FROM copy.{table} {which}"  # noqa: S608 - our own names
    ).rowcount
