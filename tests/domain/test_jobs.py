"""What takes that are shown together are called."""

import pytest

from tests.database.test_store import job
from wan.domain.jobs import label_takes


def takes(*named):
    return [job(take=int(name[:-1]), brief_id=name[-1]) for name in named]


@pytest.mark.parametrize(
    ("shown", "used", "labels"),
    [
        (["2x", "1x"], [], ["2", "1"]),
        (["3x", "1y"], [], ["3", "1"]),
        (["1x", "2x", "1y"], [], ["1A", "2A", "1B"]),
        (["1x"], ["2", "3"], ["1"]),
        (["1x", "2x"], ["1"], ["1A", "2A"]),
        (["1x"], ["1A", "1B"], ["1"]),
        (["1x"], ["1", "1A"], ["1B"]),
    ],
)
def test_takes_are_called_by_their_numbers_and_no_two_alike(shown, used, labels):
    assert label_takes(takes(*shown), used) == labels
