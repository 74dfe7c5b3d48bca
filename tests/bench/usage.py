"""What the parts of an installation have used: CPU time, transactions and rows of PostgreSQL,
requests to the bucket and bytes.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.installation import Installation

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """Counts since some moment; differences and multiples of them are usages too."""

    replicas: float
    """CPU seconds, as of the next five; children that have ended count with their parents."""
    postgres: float
    bucket: float
    haproxy: float
    simulator: float
    people: float
    transactions: float
    rows_read: float
    rows_written: float
    written: float
    """Bytes that PostgreSQL has written to its log."""
    requests: float
    """To the bucket."""
    kept: float
    """Bytes in the bucket."""
    table: float
    """Bytes of the tables and their indexes."""

    def __sub__(self, other: "Usage") -> "Usage":
        return Usage(*(getattr(self, one.name) - getattr(other, one.name) for one in fields(self)))

    def times(self, factor: float) -> "Usage":
        """So many times as much."""
        return Usage(*(getattr(self, one.name) * factor for one in fields(self)))

    def shares(self, seconds: float) -> Iterator[tuple[str, float]]:
        """The part of a core that each process had."""
        for one in fields(self)[:6]:
            yield one.name, getattr(self, one.name) / seconds

    def describe(self) -> str:
        """All of it, as text."""
        return ", ".join(f"{one.name} {getattr(self, one.name):.4g}" for one in fields(self))


def use_of(place: Installation) -> Usage:
    """What all of it has used until now."""
    database = place.postgres
    committed, read, inserted, updated, deleted = place.rows("""
        SELECT xact_commit + xact_rollback, tup_fetched, tup_inserted, tup_updated, tup_deleted
        FROM pg_stat_database WHERE datname = current_database()
    """)[0]
    ((log,),) = place.rows("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")
    ((table,),) = place.rows("""
        SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class
        WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
    """)
    kept = [path.stat().st_size for path in place.bucket.files.rglob("*") if path.is_file()]
    return Usage(
        sum(_cpu_of_tree(replica.app.process.pid) for replica in place.replicas),
        _cpu_of_tree(database.pid),
        _cpu_of_tree(place.bucket.pid),
        _cpu_of_tree(_pid_at(urlsplit(place.url).port)),
        _cpu_of_tree(_pid_at(place.service.port)),
        _cpu(os.getpid())[0],
        committed,
        read,
        inserted + updated + deleted,
        float(log),
        place.bucket.log.read_bytes().count(b"\n") if place.bucket.log else 0,
        sum(kept),
        float(table),
    )


@cache
def _pid_at(port: int) -> int:
    """The process that listens on a port."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {
        f"socket:[{row[9]}]" for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "0A"
    }
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if str(link.readlink()) in sockets:
                return int(link.parts[2])
    raise RuntimeError(f"nobody listens on {port}")


def _cpu_of_tree(pid: int) -> float:
    """Seconds of a core that a process and its children have had, those that ended too."""
    spent, ended = _cpu(pid)
    return spent + ended + sum(map(_cpu_of_tree, _children(pid)))


def _cpu(pid: int) -> tuple[float, float]:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has ended meanwhile
        return 0.0, 0.0
    own, ended = int(stat[11]) + int(stat[12]), int(stat[13]) + int(stat[14])
    return own / _TICKS, ended / _TICKS


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, path.read_text().split())
        except OSError:
            continue
    return found
