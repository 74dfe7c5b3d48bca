"""What the browser keeps of the takes that a tab shows."""

import pytest

from wan.domain.errors import JobNotFound
from wan.ui.takes import Mark, Take, mark_takes, read_takes, select_takes, write_takes


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
