"""The service's clock: times are told in Beijing's."""

from datetime import datetime, timedelta, timezone

BEIJING = timezone(timedelta(hours=8))


def wall_time(moment: float) -> str:
    """Return seconds since the epoch as the service writes them, with milliseconds."""
    return datetime.fromtimestamp(moment, BEIJING).isoformat(" ", "milliseconds").partition("+")[0]
