"""Which jobs any process has changed, as soon as a PostgreSQL announces it."""

from collections.abc import AsyncGenerator

from wan.database.announced_changes import CHANNEL
from wan.database.engine import Database, Part
from wan.domain.errors import StorageUnavailable

# seconds, and how many of the last, until a connection counts as lost whose other end is gone
_KEEPALIVES = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}


class News(Part):
    """What is announced, on a connection of its own."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.is_silent = database.is_sqlite
        """Whether nothing is ever announced."""

    async def listen(self) -> AsyncGenerator[str]:
        """Yield the id of each job that is changed from now on; "" first, once it is listened to.
        Raises StorageUnavailable where the connection does not come about, or breaks.
        """
        import psycopg

        named = self._database.connection_arguments | _KEEPALIVES
        try:
            async with await psycopg.AsyncConnection.connect(
                autocommit=True, **named
            ) as connection:
                here = await connection.execute("SELECT current_schema()")
                (schema,) = await here.fetchone() or ("",)
                channel = psycopg.sql.Identifier(CHANNEL.format(schema=schema))
                await connection.execute(psycopg.sql.SQL("LISTEN {}").format(channel))
                yield ""
                async for one in connection.notifies():
                    yield one.payload
        except psycopg.Error as error:
            raise StorageUnavailable("database_down", code=type(error).__name__) from error
