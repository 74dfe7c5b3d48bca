"""Owners are keyed: a database of a version before them still shows everybody what is theirs, and
nobody is another.
"""

import contextlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa

from tests import old
from tests.blocking import Store
from tests.database.test_store import job as row
from tests.old import KNOWN
from tests.service.test_processes import MAKE_SCHEMA, ready
from wan.domain import ids
from wan.domain.ids import OPERATOR, Owners, Seal
from wan.domain.jobs import JobFilter
from wan.domain.reviews import Review

NOW = 1_000.0
OLD_OWNER = "5" * 64


def everything(store: Store) -> str:
    """Every row of every table."""
    with store.database.reading() as connection:
        tables = sa.MetaData()
        tables.reflect(connection)
        return json.dumps(
            {
                one.name: [list(map(str, each)) for each in connection.execute(one.select())]
                for one in tables.sorted_tables
            }
        )


def owners_of(store: Store) -> dict[str, str]:
    owners = Owners(store.database.seal)
    known = {
        "token": owners.of_token(KNOWN["token"]),
        "login": owners.of_login(KNOWN["login"]),
        "key": owners.of_key(KNOWN["key"]),
    }
    return known | {"operator": OPERATOR}


@pytest.fixture
def migrated(new_database):
    with contextlib.closing(Store(old.made(new_database))) as store:
        yield store


def test_each_owner_of_an_old_database_sees_their_jobs_and_links(migrated):
    for who, owner in owners_of(migrated).items():
        for job_id, media_token in KNOWN["jobs"][who]:
            assert migrated.jobs.get(job_id, owner).id == job_id
            assert migrated.jobs.get_by_media_token(media_token).id == job_id
        shown = migrated.listing.list_page(owner, JobFilter(), until=None, offset=0, limit=9)
        assert {one.id for one in shown.jobs} == {job_id for job_id, _ in KNOWN["jobs"][who]}
        for brief_id in {one.brief_id for one in shown.jobs}:
            takes = migrated.jobs.list_brief(owner, brief_id)
            assert [one.take for one in takes] == list(range(1, len(takes) + 1))
    for who, (review_id, link) in KNOWN["reviews"].items():
        mine = migrated.reviews.get(review_id, owners_of(migrated)[who])
        assert (
            mine.link_token,
            [len(take.verdicts) for take in mine.takes],
            mine.takes[0].job is None,
        ) == (link, [2], False)
        assert migrated.reviews.get_by_link(link).id == review_id
        assert migrated.reviews.get_job(link, 1, NOW).id == KNOWN["jobs"][who][0][0]
    review_id, link = KNOWN["revoked"]
    assert migrated.reviews.get_by_link(link).revoked_at
    assert migrated.reviews.get_job(link, 1, NOW) is None


def test_what_was_hashed_without_the_key_is_in_no_row_any_more(migrated):
    plain = {row["owner"] for row in old._WHOLE["rows"]["jobs"] + old._WHOLE["rows"]["reviews"]} - {
        OPERATOR
    }
    plain |= {row["link_hash"] for row in old._WHOLE["rows"]["reviews"]}
    assert len(plain) == 6
    assert not [one for one in plain if one in everything(migrated)]


def test_migrating_again_changes_nothing(new_database):
    database, seen = old.made(new_database), []
    for _ in range(2):
        with contextlib.closing(Store(database)) as store:
            seen.append(everything(store))
    assert seen[0] == seen[1]


@pytest.mark.process
def test_several_processes_migrate_at_once_as_one(new_database, environment, tmp_path):
    database = old.made(new_database)
    with ready(4, MAKE_SCHEMA, database, environment=environment, folder=tmp_path) as others:
        others.tell("now")
        assert others.ends() == [(0, "", "")] * 4
    with contextlib.closing(Store(database)) as store:
        assert all(
            store.jobs.get(KNOWN["jobs"][who][0][0], owner)
            for who, owner in owners_of(store).items()
        )


def test_several_stores_on_an_empty_database_have_one_key(new_database):
    database = new_database()
    with ThreadPoolExecutor(4) as threads:
        stores = list(threads.map(lambda _: Store(database), range(4)))
    assert len({store.database.seal.hash("owner", "x") for store in stores}) == 1
    for store in stores:
        store.close()


def test_another_database_has_another_key(new_database):
    with (
        contextlib.closing(Store(new_database())) as first,
        contextlib.closing(Store(new_database())) as second,
    ):
        assert first.database.seal.hash("owner", "x") != second.database.seal.hash("owner", "x")


def test_an_older_version_beside_us_cannot_write_what_nobody_would_find(store):
    """It hashes without the key. What it may still do is to go on with jobs that are there."""
    with pytest.raises(sa.exc.IntegrityError):
        store.add(replace(row(), owner=OLD_OWNER))
    with pytest.raises(sa.exc.IntegrityError):
        store.reviews.add(Review("r", OLD_OWNER, "", "", None, NOW, None, None), "token")
    assert store.jobs.list_ids() == set()


@pytest.mark.parametrize(
    "given",
    [
        "",
        "x",
        "-" + "a" * 21,
        "a" * 23,
        "a" * 19,
        "a" * 21 + "\n",
        "ａ" * 22,
        None,
        7,
        ["a" * 22],
        "a" * 10 + ".." + "a" * 10,
    ],
)
def test_what_is_no_id_is_told_by_its_shape(given):
    assert not ids.has_shape(ids.JOB, given)


def test_what_is_made_has_its_shape():
    assert all(ids.has_shape(ids.JOB, ids.new_job_id()) for _ in range(500))
    assert ids.has_shape(ids.REVIEW, ids.new_review_id())
    assert ids.has_shape(ids.MEDIA, ids.new_media_token())
    assert ids.has_shape(ids.LINK, ids.new_link_token())
    assert ids.is_token(ids.new_link_token())
    assert len(Seal(b"k").hash("owner", "x")) == Seal.LENGTH
