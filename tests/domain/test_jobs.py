"""Which takes are shown together, and what they are called."""

import pytest

from tests.database.test_store import job
from wan.domain.jobs import JobState, label_takes, select_takes


def takes(*named):
    return [job(take=int(name[:-1]), brief_id=name[-1]) for name in named]


@pytest.mark.parametrize(
    ("shown", "there", "labels"),
    [
        (["2x", "1x"], [], ["2", "1"]),
        (["3x", "1y"], [], ["3A", "1B"]),
        (["1x", "2x", "1y"], [], ["1A", "2A", "1B"]),
        (["1x"], ["2x", "3x"], ["1"]),
        (["3y"], ["1x", "2x"], ["3A"]),
        (["2y", "3x"], ["1x", "2x", "1Ay"], ["2A", "3"]),
        (["1z", "3y"], ["1Ax", "1By"], ["1C", "3B"]),
        (["1x", "2x"], ["1"], ["1A", "2A"]),
        (["1x"], ["1", "1A"], ["1B"]),
        (["2x", "3x"], ["1x", "2x"], ["2A", "3"]),
        (["1x", "1x"], [], ["1", "1A"]),
    ],
)
def test_takes_are_called_by_number_and_brief_and_no_two_alike(shown, there, labels):
    """there: label and brief, which is left out where it is gone."""
    known = [(one.rstrip("xyz"), one.lstrip("0123456789AB")) for one in there]
    assert label_takes(takes(*shown), known) == labels


def selected(*given, limit=4):
    """The ids of the takes to show. given: number, seed and state of each job, oldest first."""
    jobs = [
        job(place, take=number, seed=seed, state=state)
        for place, (number, seed, state) in enumerate(given, 1)
    ]
    return [one.id for one in select_takes(jobs, limit)]


MADE, LOST, LIVE = JobState.SUCCEEDED, JobState.FAILED, JobState.RUNNING


def test_every_new_take_is_shown_and_a_further_try_in_the_place_of_the_first():
    assert selected((1, 11, MADE), (2, 12, LIVE), (3, 13, LIVE)) == ["job1", "job2", "job3"]
    assert selected((1, 11, LOST), (2, 12, MADE), (1, 11, LOST), (1, 11, LIVE)) == ["job4", "job2"]
    # A version that numbers none may write beside us
    assert selected((1, 11, LIVE), (1, 12, LIVE)) == ["job1", "job2"]


def test_of_more_takes_than_are_shown_those_on_their_way_come_first():
    new = [(number, number, LIVE) for number in range(2, 6)]
    assert selected((1, 1, MADE), *new) == ["job2", "job3", "job4", "job5"]
    made = [(number, number, MADE) for number in range(2, 6)]
    assert selected((1, 1, LOST), *made, (1, 1, LIVE)) == ["job6", "job3", "job4", "job5"]
