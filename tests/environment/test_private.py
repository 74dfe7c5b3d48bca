"""Whatever is kept is for us alone, but where it is shared on purpose."""

import os
import stat

import pytest

from tests.blocking import Store
from wan.domain.errors import SettingsError
from wan.environment.private import make_database, make_folder, protect_database
from wan.environment.settings import Settings


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_folder_is_ours_alone(tmp_path):
    made = Settings(output_dir=tmp_path / "deep" / "output").make_output_dir()
    assert mode(made) == 0o700


def test_one_of_an_earlier_version_becomes_ours_alone_with_what_is_in_it(tmp_path):
    for name in ("storage", "uploads", "ai-video-wan-video"):
        (tmp_path / "output" / name).mkdir(parents=True, mode=0o755)
    (tmp_path / "output").chmod(0o755)
    Store(f"sqlite:///{tmp_path / 'output' / 'wan.sqlite3'}").close()
    make_folder(tmp_path / "output")
    assert {
        mode(path)
        for path in (tmp_path / "output", *(tmp_path / "output").iterdir())
        if path.is_dir()
    } == {0o700}
    assert mode(tmp_path / "output" / "wan.sqlite3") == 0o600


def test_a_folder_that_holds_other_things_too_stays_open_and_what_is_ours_in_it_does_not(tmp_path):
    (tmp_path / "holiday.mp4").touch()
    (tmp_path / "storage").mkdir()
    tmp_path.chmod(0o755)
    make_folder(tmp_path)
    assert (mode(tmp_path), mode(tmp_path / "storage")) == (0o755, 0o700)


def test_a_folder_that_hands_its_group_on_is_shared_on_purpose(tmp_path):
    (tmp_path / "storage").mkdir(mode=0o750)
    (tmp_path / "wan.sqlite3").touch()
    (tmp_path / "wan.sqlite3").chmod(0o660)
    (tmp_path / "storage").chmod(0o750)
    tmp_path.chmod(0o2770)
    make_folder(tmp_path)
    protect_database(tmp_path / "wan.sqlite3")
    assert [mode(path) for path in (tmp_path, tmp_path / "storage", tmp_path / "wan.sqlite3")] == [
        0o2770,
        0o750,
        0o660,
    ]


def test_a_link_is_not_followed(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "storage").symlink_to(elsewhere)
    make_folder(tmp_path / "output")
    assert mode(elsewhere) == 0o755


def test_what_is_no_database_stays_as_it_is(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "notes.txt").write_text(
        "These are the notes of somebody else, who may be read by all."
    )
    for name, before in (("folder", 0o777), ("notes.txt", 0o644)):
        (tmp_path / name).chmod(before)
        with pytest.raises(SettingsError, match="where SQLite says"):
            Store(f"sqlite:///{tmp_path / name}")
        assert mode(tmp_path / name) == before


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_the_umask_does_not_matter(tmp_path, umask):
    before = os.umask(umask)
    try:
        make_folder(tmp_path / "output")
        make_database(tmp_path / "output" / "wan.sqlite3")
    finally:
        os.umask(before)
    assert (mode(tmp_path / "output"), mode(tmp_path / "output" / "wan.sqlite3")) == (0o700, 0o600)
