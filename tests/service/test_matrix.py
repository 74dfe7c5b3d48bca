"""Nothing lost, nothing paid twice: every verb met with every fault (the cells of
tests/bench/matrix.py) ends in what is true at the service.
"""

import asyncio

import pytest

from tests.bench.matrix import CELLS, Outcome, outcomes
from tests.conftest import clean_environment
from wan.domain.jobs import JobState, Spent

NEVER_ARRIVES = {
    "drop-before",
    "html",
    "status-500",
    "status-502",
    "status-503",
    "status-504",
}  # answered before the service has seen it
NO_KEY = {"status-401": "key_unknown", "status-403": "access_denied"}
IN_THE_SERVICES_WORDS = {JobState.SUCCEEDED: "SUCCEEDED", JobState.CANCELLED: "CANCELED"}


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> dict[tuple[str, str], Outcome]:
    folder = tmp_path_factory.mktemp("matrix")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in clean_environment(folder).items():
            patch.setenv(name, value)
        for name in ("DASHSCOPE_WORKSPACE", "WAN_DATABASE_URL", "WAN_STORAGE_URL"):
            patch.delenv(name, raising=False)
        return asyncio.run(outcomes(folder))


def expected(verb: str, fault: str) -> tuple[JobState, Spent, int, str]:
    """End, whether money was spent, tasks created, and the last words to people."""
    if verb in ("policy", "create") and fault in NO_KEY:
        return JobState.FAILED, Spent.NO, 0, NO_KEY[fault]
    if (verb, fault) == ("upload", "status-403"):
        return JobState.FAILED, Spent.NO, 0, "upload_failed"
    if verb == "create" and fault in NEVER_ARRIVES:
        return JobState.FAILED, Spent.NO, 0, "never_arrived"
    if verb == "cancel":
        return JobState.CANCELLED, Spent.NO, 1, "cancelled"
    return JobState.SUCCEEDED, Spent.YES, 1, "succeeded"


@pytest.mark.parametrize(("verb", "fault"), CELLS)
def test_it_ends_in_what_is_true(table, verb, fault):
    outcome = table[verb, fault]
    job = outcome.job
    assert (job.state, job.spent, len(outcome.tasks), outcome.told[-1]) == expected(verb, fault)
    made = [(task["id"], task["state"]) for task in outcome.tasks]
    assert made == ([(job.task_id, IN_THE_SERVICES_WORDS[job.state])] if job.task_id else [])
    assert (job.spent is Spent.YES) == any(state == "SUCCEEDED" for _, state in made)


@pytest.mark.parametrize(
    ("verb", "fault"), [cell for cell in CELLS if cell[0] in ("create", "list")]
)
def test_uncertain_is_said_where_it_is_and_only_there(table, verb, fault):
    clear = verb == "create" and fault in {"refused", "drip-0.5", "status-429", *NO_KEY}
    assert ("uncertain" in table[verb, fault].told) != clear
