"""The rows of films: finished videos joined to one."""

import sqlalchemy as sa

from wan.database.engine import Part, in_thread
from wan.database.refusals import TooManyFilms
from wan.database.rows import insert
from wan.database.schema import JOBS
from wan.domain.catalog import FILM, FILMS_LIMIT
from wan.domain.jobs import Job


class Films(Part):
    """The films of every owner."""

    @in_thread
    def require_place(self, owner: str) -> None:
        """Raise TooManyFilms where an owner has as many as allowed."""
        with self._database.reading() as connection:
            _require_place(connection, owner)

    @in_thread
    def add(self, film: Job) -> Job:
        """Write a film, which is whole and waits for nothing. Returns it, or the same one if that
        was written since this one was begun. Raises TooManyFilms.
        """
        with self._database.writing() as connection:
            _require_place(connection, film.owner)
            return insert(connection, film)


def _require_place(connection: sa.Connection, owner: str) -> None:
    theirs = (JOBS.c.owner == owner) & (JOBS.c.model == FILM)
    there = sa.select(sa.func.count()).select_from(JOBS).where(theirs)
    if connection.execute(there).scalar_one() >= FILMS_LIMIT:
        raise TooManyFilms(limit=FILMS_LIMIT)
