"""What the commands that only read say of jobs."""

import contextlib

import pytest

from tests.blocking import Store
from tests.database.test_store import NOW, job
from wan.cli import inspect
from wan.domain import ids
from wan.domain.catalog import FILM
from wan.domain.errors import WanError
from wan.domain.ids import OPERATOR
from wan.domain.jobs import Job, JobState
from wan.environment.settings import load_settings


def kept(**changes) -> Job:
    """A finished job of the command line."""
    asked = {"prompt": "A boat leaves.", "size": "1280*720", "fps": None, "duration": 5}
    ended = {"state": JobState.SUCCEEDED, "due_at": None, "ended_at": NOW}
    made = job(id=ids.new_job_id(), owner=OPERATOR, request=asked, **ended | changes)
    settings = load_settings()
    settings.make_output_dir()
    with contextlib.closing(Store(settings.database)) as store:
        return store.add(made)


def test_a_take_has_its_number_and_name():
    take = kept(take=3, name="The best one")
    listed, shown = inspect.jobs(10), inspect.show(take.id)
    assert "Take 3   The best one · A boat leaves." in listed.text
    (known,) = listed.known["jobs"]
    assert (known["take"], known["name"]) == (3, "The best one")
    assert (shown.known["take"], shown.known["name"]) == (3, "The best one")
    assert "take            3\nname            The best one\n" in shown.text


def test_a_film_is_listed_and_has_no_record():
    film = kept(model=FILM, payload={"shots": []})
    assert "Take" not in inspect.jobs(10).text
    assert inspect.show(film.id).known["take"] is None
    with pytest.raises(WanError, match="combined from takes on this machine"):
        inspect.evidence(film.id, None)


def test_a_job_without_a_record_is_no_unknown_job(monkeypatch):
    made = kept()
    monkeypatch.setattr(inspect.Library, "complete_evidence", _no_record)
    with pytest.raises(WanError, match="no record of this job"):
        inspect.evidence(made.id, None)


async def _no_record(_library: inspect.Library, _job: Job) -> None:
    """As where OUTPUT_DIR cannot be written."""
