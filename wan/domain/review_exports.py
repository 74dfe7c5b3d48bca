"""Reviews as files: what was said, as CSV and as JSON. Pure."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from wan.domain.reviews import VERDICTS, Reply, Review, Take, latest_verdicts
from wan.domain.spreadsheets import escape_cell


def export_json(review: Review) -> bytes:
    """Export a review with its tallies and all verdicts as JSON (UTF-8)."""
    plain = {
        "title": review.title,
        "note": review.note,
        "created_at": _format_time(review.created_at),
        "takes": [_export_take(take) for take in review.takes],
    }
    return json.dumps(plain, ensure_ascii=False, indent=2).encode()


def export_csv(review: Review) -> bytes:
    """Export all verdicts and replies, one per row, as CSV (UTF-8 with the BOM that spreadsheets
    need). Replies follow their comment, whose `thread` they have.

    No cell can be read as a formula.
    """
    out = io.StringIO(newline="")
    rows = csv.writer(out, quoting=csv.QUOTE_ALL)
    rows.writerow(
        [
            *("take", "take_name", "seed", "person", "name", "verdict", "latest", "comment"),
            *("at_seconds", "given_at", "kind", "thread", "edited_at", "resolved_at"),
        ]
    )
    for take in review.takes:
        for cells in _list_rows(take):
            rows.writerow([escape_cell(cell) for cell in cells])
    return out.getvalue().encode("utf-8-sig")


def _list_rows(take: Take) -> Iterator[list[object]]:
    """Yield the cells of each verdict on a take, and of each reply behind its comment."""
    of_take, thread = (take.label, take.name, take.job.seed if take.job else ""), 0
    for one in _export_verdicts(take):
        said = bool(one["comment"] or one["replies"])
        thread += said
        yield [
            *(*of_take, one["person"], one["name"], one["verdict"]),
            *("yes" if one["latest"] else "no", one["comment"], one["at_seconds"]),
            *(one["given_at"], "verdict", thread if said else "", one["edited_at"]),
            one["resolved_at"],
        ]
        for reply in one["replies"]:
            yield [
                *(*of_take, reply["person"], reply["name"], "", "", reply["text"], ""),
                *(reply["given_at"], "reply", thread, reply["edited_at"], ""),
            ]


def _export_take(take: Take) -> dict[str, Any]:
    job = take.job
    facts = (
        {}
        if job is None
        else {"prompt": job.request.get("prompt", ""), "model": job.model, "seed": job.seed}
    )
    measured = (
        {}
        if job is None
        else {name: getattr(job, name) for name in ("width", "height", "duration")}
    )
    tally = {verdict: getattr(take.tally, verdict) for verdict in VERDICTS}
    return {
        "number": take.number,
        "take": take.label,
        "name": take.name,
        "deleted": job is None,
        "added_at": _format_time(take.added_at),
        **facts,
        **measured,
        "tally": tally,
        "verdicts": _export_verdicts(take),
    }


def _export_verdicts(take: Take) -> list[dict[str, Any]]:
    """Return the verdicts on a take; of each person only as much as tells people apart."""
    last = {one.id for one in latest_verdicts(take.verdicts)}
    return [
        {
            "person": one.reviewer[:6],
            "name": one.name,
            "verdict": one.verdict,
            "latest": one.id in last,
            "comment": one.comment,
            "at_seconds": one.at_seconds,
            "given_at": _format_time(one.created_at),
            "edited_at": _format_time(one.edited_at),
            "resolved_at": _format_time(one.resolved_at),
            "replies": [_export_reply(reply) for reply in one.replies],
        }
        for one in take.verdicts
    ]


def _export_reply(reply: Reply) -> dict[str, Any]:
    return {
        "person": "owner" if reply.reviewer is None else reply.reviewer[:6],
        "name": reply.name,
        "text": reply.text,
        "given_at": _format_time(reply.created_at),
        "edited_at": _format_time(reply.edited_at),
    }


def _format_time(seconds: float | None) -> str | None:
    return (
        None
        if seconds is None
        else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    )
