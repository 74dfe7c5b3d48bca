"""What this process has counted since it started, for whoever runs the app (`wan.web.metrics`).

Counted on the event loop, at the price of an addition. What tells counts apart is one of a few
known words: nothing that a person or the service writes is among them.
"""

import contextlib
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

from wan.domain.errors import WanError
from wan.domain.jobs import Job, Spent
from wan.provider.refusals import documented_code

Operation = Literal["submit", "query", "list", "cancel", "upload", "fetch"]
"""A request to the service: the paid one, a question about a task, the account's list of tasks, a
cancel, a reference that goes up, a video that comes down.
"""
OPERATIONS: tuple[Operation, ...] = get_args(Operation)
BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0)
"""Seconds: up to which a duration counts in which part of a histogram."""


@dataclass
class Histogram:
    """Durations in seconds, counted by their lengths."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    """How many were within each of `BOUNDS` and above the one before; the last, above all."""
    total: float = 0.0

    def add(self, seconds: float) -> None:
        """Count a duration."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds


class Failure(NamedTuple):
    """A kind of failure at the service."""

    operation: str
    """An `Operation`, or "run": a task that ended without a video."""
    error: str
    """The class of the error (`wan.domain.errors`)."""
    code: str
    """As `documented_code` gives it."""


class Metrics:
    """The counts. Each starts at zero, and none but those of present things ever falls."""

    def __init__(self) -> None:
        self.durations = {operation: Histogram() for operation in OPERATIONS}
        """How long requests to the service took, however they ended."""
        self.failures: Counter[Failure] = Counter()
        self.cache_hits = 0
        """Requests that were answered with a finished video."""
        self.joined = 0
        """Requests that joined a job on its way."""
        self.bought_seconds = 0.0
        """Seconds of video that the service bills."""
        self.viewers = 0
        """Views of jobs that are open."""
        self.uploads = 0
        """Uploads to the app that are on their way."""
        self.uploaded_bytes = 0

    @contextlib.contextmanager
    def measure(self, operation: Operation) -> Iterator[None]:
        """Count the request to the service that is made inside the block."""
        since = time.perf_counter()
        try:
            yield
        except WanError as error:
            self.count_failure(operation, error)
            raise
        finally:
            self.durations[operation].add(time.perf_counter() - since)

    def count_failure(self, operation: Operation | Literal["run"], error: WanError) -> None:
        """Count a failure at the service."""
        code = documented_code(getattr(error, "code", ""))
        self.failures[Failure(operation, type(error).__name__, code)] += 1

    def count_found(self, job: Job) -> None:
        """Count a request for which there was a job already."""
        if job.live:
            self.joined += 1
        else:
            self.cache_hits += 1

    def count_end(self, job: Job) -> None:
        """Count what the service bills for a job that has ended."""
        if job.spent is Spent.YES:
            self.bought_seconds += job.billed_seconds or 0.0

    @contextlib.contextmanager
    def viewing(self) -> Iterator[None]:
        """Count a view inside the block."""
        self.viewers += 1
        try:
            yield
        finally:
            self.viewers -= 1

    @contextlib.contextmanager
    def uploading(self) -> Iterator[None]:
        """Count an upload inside the block."""
        self.uploads += 1
        try:
            yield
        finally:
            self.uploads -= 1
