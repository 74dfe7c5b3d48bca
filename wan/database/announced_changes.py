"""A trigger that has a PostgreSQL announce each change of a job that a viewer sees, whichever
process and whichever version of the app has made it. SQLite announces nothing.
"""

import sqlalchemy as sa

CHANNEL = "wan_jobs_{schema}"
"""Where it is announced, with the id of the job."""
_FUNCTION = f"""
CREATE OR REPLACE FUNCTION announce_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('{CHANNEL.format(schema="")}' || TG_TABLE_SCHEMA, NEW.id);
    RETURN NULL;
END
$$
"""
_TRIGGER = """
CREATE TRIGGER announce_job AFTER UPDATE OF version ON jobs FOR EACH ROW
WHEN (OLD.version IS DISTINCT FROM NEW.version) EXECUTE FUNCTION announce_job()
"""
_IS_THERE = """
SELECT true FROM pg_trigger WHERE tgname = 'announce_job' AND tgrelid = 'jobs'::regclass
"""


def announce_changes(connection: sa.Connection) -> None:
    """Create the trigger where it is missing."""
    if connection.dialect.name != "postgresql":
        return
    if connection.exec_driver_sql(_IS_THERE).scalar() is None:
        connection.exec_driver_sql(_FUNCTION)
        connection.exec_driver_sql(_TRIGGER)
