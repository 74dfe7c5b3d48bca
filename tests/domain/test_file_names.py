"""What the files of a video are called."""

import pytest

from tests.ui.test_library import job
from wan.domain.catalog import FILM
from wan.domain.file_names import name_file
from wan.domain.jobs import NAME_LIMIT


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("", "wan-7"),
        ("Opening shot", "Opening shot - take 2"),
        ("开场镜头", "开场镜头 - take 2"),
        ("../../etc/passwd", "etc-passwd - take 2"),
        ('a: b? "c" <d>|*', "a- b- -c- -d - take 2"),
        ("-rf .", "rf - take 2"),
        (" \u202e.\u200b. ", "wan-7"),
        ("???", "wan-7"),
        ("Cafe\u0301", "Caf\u00e9 - take 2"),
        ("aux.first", "wan-aux.first - take 2"),
        ("comedy", "comedy - take 2"),
    ],
)
def test_a_file_has_the_name_of_its_take_as_every_file_system_takes_it(given, name):
    assert name_file(job(name=given, take=2, seed=7)) == name


@pytest.mark.parametrize(
    ("given", "name"),
    [("", "wan-film"), ("Opening film v1", "Opening film v1"), ("NUL", "wan-NUL")],
)
def test_a_film_has_neither_take_nor_seed(given, name):
    assert name_file(job(name=given, model=FILM)) == name


def test_the_longest_name_leaves_room_for_an_ending():
    assert len(name_file(job(name="👩" * NAME_LIMIT, take=12)).encode()) <= 180
