"""`python -m wan spending`."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.expenses import MONTH, SETTINGS, fill

pytestmark = pytest.mark.process


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path) -> Callable[..., tuple[int, str, str]]:
    """Runs the command in a house that has spent something."""
    url = f"sqlite:///{tmp_path / 'house.sqlite3'}"
    fill(url)

    def runs(*options: str) -> tuple[int, str, str]:
        command = [sys.executable, "-m", "wan", "spending", *options]
        environ = environment | SETTINGS | {"WAN_DATABASE_URL": url}
        made = subprocess.run(command, capture_output=True, text=True, env=environ, cwd=ROOT)
        return made.returncode, made.stdout, made.stderr

    return runs


def test_the_same_as_table_json_and_csv(run):
    code, table, complaint = run("--month", MONTH)
    assert (code, complaint) == (0, "")
    assert [line.split()[:4] for line in table.splitlines() if line.startswith("  ")] == [
        [f"{MONTH}", "(UTC)"],
        ["bob", "2", "videos,", "¥3.50"],
        ["ann", "2", "videos,", "¥2.10,"],
        ["command", "line", "1", "video,"],
        ["Others", "0", "videos,", "¥0.30"],
        ["Total", "5", "videos,", "¥5.90"],
        ["bob", "1", "video,", "¥9.00"],
    ]
    assert "plus up to ¥0.60 in progress, not including jobs of unknown price: 1" in table
    known = json.loads(run("--month", MONTH, "--json")[1])
    first = known["people"][0]
    assert (first["person"], first["key"]) == ("bob", "operator")
    assert first["month"]["cost"] == {"CNY": "3.50"}
    rows = list(csv.DictReader(io.StringIO(run("--month", MONTH, "--csv")[1])))
    assert [row["job_id"] for row in rows] == [one["job_id"] for one in known["jobs"]]
    assert len(rows) == 10


def test_a_month_in_which_nothing_was_made_and_what_is_none(run):
    assert run("--month", "2025-01") == (0, "No videos were made in the selected month.\n", "")
    code, _, complaint = run("--month", "March")
    assert code == 2
    assert "month" in complaint
    assert "YYYY-MM" in complaint
