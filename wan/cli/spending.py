"""The command that says who made what, and what it cost. It only reads."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from wan.cli.answers import Answer
from wan.domain.messages import t
from wan.domain.spending import (
    Report,
    Share,
    Total,
    describe,
    format_plain,
    format_sums,
    write_csv,
)
from wan.environment.settings import load_settings
from wan.service.spending import Spending
from wan.service.stores import open_stores


def spending(month: str, *, as_csv: bool) -> Answer:
    """Show what was made in a month. month: "2026-11"; "" for the present one."""
    report = asyncio.run(_read(month))
    shares = [("operator", one) for one in report.own] + [("other", one) for one in report.others]
    known = {
        "ok": True,
        "month": report.month.name,
        "people": [_about(key, share, report) for key, share in shares],
        "jobs": [describe(one) for one in report.expenses],
    }
    text = write_csv(report).rstrip("\n") if as_csv else "\n".join(_lines(report))
    return Answer(known, text=text)


async def _read(month: str) -> Report:
    settings = load_settings()
    async with open_stores(settings) as stores:
        return await Spending(stores.database, settings).report(month)


def _about(key: str, share: Share, report: Report) -> dict[str, Any]:
    """Return what programs get of a person. key: whose paid, as in the CSV."""
    about = {"person": share.person or "others", "key": key}
    today = {"today": _figures(share.today)} if report.is_present else {}
    return about | today | {"month": _figures(share.month)}


def _figures(total: Total) -> dict[str, Any]:
    return {
        "videos": total.videos,
        "cost": {currency: format_plain(amount) for currency, amount in total.cost.items()},
        "pending": {currency: format_plain(amount) for currency, amount in total.pending.items()},
        "unpriced": total.unpriced,
    }


def _lines(report: Report) -> Iterator[str]:
    """Write the table: a block for each kind of key, a line for each person."""
    if not report.expenses:
        yield t("en", "spending_none")
        return
    heads = [*[t("en", "spending_today")] * report.is_present, f"{report.month.name} (UTC)"]
    yield _line("", heads)
    for title, shares in (
        ("spending_own", report.own),
        ("spending_other_keys", report.others),
    ):
        if shares:
            yield t("en", title)
        for share in shares:
            yield _row(share.person or t("en", "spending_others"), share, report)
        if shares is report.own and len(shares) > 1:
            yield _row(t("en", "spending_total"), report.total, report)


def _row(name: str, share: Share, report: Report) -> str:
    totals = [*[share.today] * report.is_present, share.month]
    return _line(f"  {name}", [_sum(total) for total in totals])


def _line(first: str, others: Sequence[str]) -> str:
    return "  ".join([f"{first:<24}", *(f"{one:<26}" for one in others)]).rstrip()


def _sum(total: Total) -> str:
    """Say what several jobs cost."""
    videos = (
        t("en", "spending_video")
        if total.videos == 1
        else t("en", "spending_videos", count=total.videos)
    )
    parts = [videos, format_sums(total.cost) or "–"]
    if total.pending:
        parts.append(t("en", "spending_pending", price=format_sums(total.pending)))
    if total.unpriced:
        parts.append(t("en", "spending_unpriced", count=total.unpriced))
    return ", ".join(parts)
