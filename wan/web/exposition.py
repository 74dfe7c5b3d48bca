"""The counts of this process and the figures of the database, in the text format of Prometheus.

Imported only where somebody may read them, as the library costs a start some time.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import SupportsFloat

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from wan.service.metrics import BOUNDS, OPERATIONS, Failure, Metrics
from wan.service.monitoring import Figures

CONTENT_TYPE = CONTENT_TYPE_LATEST
_EDGES = (*(f"{bound:g}" for bound in BOUNDS), "+Inf")


class Exposition:
    """Writes metrics, with those of the process and its garbage collector. Has a registry of its
    own: another app in this process shares nothing with it.
    """

    def __init__(self) -> None:
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)
        GCCollector(registry=self._process)

    def write(self, families: Iterable[Metric]) -> bytes:
        """Return the text. Blocks. families: as `collect` gives them."""
        return generate_latest(_Joined([*families, *self._process.collect()]))


class _Joined(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families


def collect(metrics: Metrics, figures: Figures | None) -> Iterator[Metric]:
    """Yield the metrics. figures: None where the database does not give them."""
    yield _gauge("wan_database_up", "Whether the database answered this scrape.", bool(figures))
    if figures is not None:
        yield from _collect_figures(figures)
    yield _durations(metrics)
    yield _failures(metrics)
    for name, about, count in (
        ("wan_cache_hits", "Requests answered with a finished video.", metrics.cache_hits),
        ("wan_joined_requests", "Requests that joined a job on its way.", metrics.joined),
        ("wan_video_bought_seconds", "Billed seconds of video.", metrics.bought_seconds),
        ("wan_uploaded_bytes", "Bytes of files sent to the app.", metrics.uploaded_bytes),
    ):
        yield CounterMetricFamily(name, about, count)
    yield _gauge("wan_viewers", "Open views of jobs.", metrics.viewers)
    yield _gauge("wan_uploads_in_progress", "Uploads to the app on their way.", metrics.uploads)


def _collect_figures(figures: Figures) -> Iterator[Metric]:
    jobs = {state.value: count for state, count in figures.jobs.items()}
    yield _gauges("wan_jobs", "Jobs in the database.", "state", jobs)
    about = "How long the job that is due first has waited for its next step."
    yield _gauge("wan_oldest_due_job_overdue_seconds", about, figures.overdue)
    about = "What today's jobs (UTC) cost, paid with the operator's key."
    yield _gauges("wan_spent_today", about, "currency", figures.spent)
    yield _gauges("wan_budget_left", "What is left of today's budget.", "currency", figures.left)


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(name, about, value)


def _gauges(name: str, about: str, label: str, values: Mapping[str, SupportsFloat]) -> Metric:
    family = GaugeMetricFamily(name, about, labels=[label])
    for which, value in values.items():
        family.add_metric([which], float(value))
    return family


def _durations(metrics: Metrics) -> Metric:
    name, about = "wan_service_request_seconds", "How long requests to the video service took."
    family = HistogramMetricFamily(name, about, labels=["operation"])
    for operation in OPERATIONS:
        histogram = metrics.durations[operation]
        buckets = list(zip(_EDGES, accumulate(histogram.counts), strict=True))
        family.add_metric([operation], buckets, histogram.total)
    return family


def _failures(metrics: Metrics) -> Metric:
    about = "Requests that the service refused or failed, and runs that ended without a video."
    family = CounterMetricFamily("wan_service_errors", about, labels=Failure._fields)
    for failure, count in metrics.failures.items():
        family.add_metric(failure, count)
    return family
