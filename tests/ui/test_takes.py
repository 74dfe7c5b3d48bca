"""What the browser keeps of the takes that a tab shows."""

import pytest

from wan.domain.errors import JobNotFound
from wan.domain.jobs import Job, JobState
from wan.ui.takes import (
    Mark,
    Take,
    mark_takes,
    place_take,
    read_takes,
    select_takes,
    write_takes,
)


@pytest.mark.parametrize("kept", ["", "abc", "-a_b", "a b c d", "?b =c d"])
def test_what_was_written_is_read_again(kept):
    assert write_takes(read_takes(kept)) == kept


def test_an_old_value_is_one_take_and_there_are_four_at_most():
    assert read_takes("3Xz_9-a") == [Take("3Xz_9-a")]
    assert len(read_takes("x " * 5000)) == 4


def test_a_button_means_one_take_or_all_and_none_that_is_not_shown():
    shown = read_takes("a b")
    assert select_takes(shown, "b") == [Take("b")]
    assert select_takes(shown, "") == shown
    with pytest.raises(JobNotFound):
        select_takes(shown, "c")


def test_marks_are_for_takes_beside_others():
    shown = read_takes("a b")
    assert write_takes(mark_takes(shown, shown[:1], mark=Mark.ASKS)) == "?a b"
    assert write_takes(mark_takes(read_takes("a"), read_takes("a"), mark=Mark.ASKS)) == "a"
    assert read_takes("~a b") == shown, "as an earlier version marked what it did not watch"


def made(number: int, state: JobState = JobState.SUCCEEDED, job_id: str = "") -> Job:
    """The take of a brief with this number."""
    texts = dict.fromkeys(("owner", "account", "backend", "base_url", "region", "workspace"), "")
    times = {"created_at": 1.0, "state_at": 1.0, "due_at": None}
    return Job(
        **texts,
        **times,
        id=job_id or f"job-{number}",
        state=state,
        brief_id="brief",
        take=number,
        media_token="",
    )


@pytest.mark.parametrize(
    ("states", "of", "new", "then"),
    [
        ("S", 1, made(2), "job-1 job-2"),
        ("SSS", 2, made(4), "job-1 job-2 job-3 job-4"),
        ("SSSS", 3, made(5), "job-2 job-3 job-4 job-5"),
        ("SSSS", 1, made(5), "job-1 job-3 job-4 job-5"),
        ("RRSR", 3, made(5), "job-1 job-2 job-4 job-5"),
        ("SR", 1, made(2), "job-1 job-2"),  # the second click
        ("SFSS", 2, made(2, job_id="job-5"), "job-1 job-5 job-3 job-4"),  # tried again
        ("F", 1, made(1, job_id="job-5"), "job-5"),
    ],
)
def test_a_new_take_comes_beside_its_own_and_a_further_try_in_its_place(states, of, new, then):
    named = {"S": JobState.SUCCEEDED, "R": JobState.RUNNING, "F": JobState.FAILED}
    jobs = [made(number, named[state]) for number, state in enumerate(states, 1)]
    shown = [Take(job.id) for job in jobs]
    assert write_takes(place_take(shown, jobs, shown[of - 1], new)) == then


def test_a_question_that_was_answered_is_asked_no_more():
    """Else its button would pay once more, unseen."""
    jobs = [made(1), made(2, JobState.UNCERTAIN)]
    shown = read_takes("job-1 ?job-2")
    assert write_takes(place_take(shown, jobs, shown[1], made(3))) == "job-1 job-2 job-3"
    again = made(2, JobState.RUNNING, "again")
    assert write_takes(place_take(shown, jobs, shown[1], again)) == "job-1 again"
    joined = read_takes("job-1 ?job-2 job-3")
    assert write_takes(place_take(joined, [*jobs, made(3)], joined[1], made(3))) == (
        "job-1 job-2 job-3"
    )
