"""What was made, by whom, and what it cost: a page for the operator, and the same as CSV.

Operators are those named in WAN_OPERATORS, once they are signed in. Whoever else is signed in, and
anybody where nobody signs in, is told what they are told of a path that leads nowhere.
"""

import asyncio
from functools import partial
from http import HTTPStatus

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from wan.domain.catalog import format_money
from wan.domain.errors import InvalidInput, StorageUnavailable
from wan.domain.ids import OPERATOR
from wan.domain.jobs import Spent
from wan.domain.messages import Language
from wan.domain.spending import Expense, Report, Total, format_sums, write_csv
from wan.service.studio import Studio
from wan.web.languages import TAGS, language_of
from wan.web.paths import read_assets
from wan.web.refusal import RequestRefused
from wan.web.review_html import time_at
from wan.web.sign_in import name_of, sign_in_page
from wan.web.templating import render
from wan.web.text import as_it_is, text

_STYLES = ("tokens", "base", "review", "spending")
_SHOWN = 200  # jobs; the CSV has all
_HEADERS = {
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
}


def routes(studio: Studio, opened: asyncio.Event) -> list[Route]:
    """Return the routes of page and CSV. opened: set when the studio can be asked; whoever comes
    earlier waits for it.
    """

    async def page(request: Request) -> Response:
        return await _answer(request, studio, opened, as_csv=False)

    async def table(request: Request) -> Response:
        return await _answer(request, studio, opened, as_csv=True)

    return [Route("/spending", page), Route("/spending.csv", table)]


async def _answer(
    request: Request, studio: Studio, opened: asyncio.Event, *, as_csv: bool
) -> Response:
    language, operators = language_of(request.url.query, request.headers), studio.settings.operators
    name = name_of(request.app, request) if operators else None
    if name not in operators:
        # Whoever signs in may be one of them.
        if operators and name is None and not as_csv:
            return sign_in_page(language, to="spending")
        return RequestRefused(HTTPStatus.NOT_FOUND).response(language)
    await opened.wait()
    try:
        report = await studio.spending.report(request.query_params.get("month", ""))
    except (InvalidInput, StorageUnavailable) as trouble:
        refused = isinstance(trouble, InvalidInput)
        status = HTTPStatus.BAD_REQUEST if refused else HTTPStatus.SERVICE_UNAVAILABLE
        return JSONResponse({"detail": trouble.message.say(language)}, status, headers=_HEADERS)
    if as_csv:
        return _csv(await asyncio.to_thread(write_csv, report), report.month.name)
    return HTMLResponse(await asyncio.to_thread(_page, language, report), headers=_HEADERS)


def _csv(written: str, month: str) -> Response:
    """Answer with a file. It begins with a mark without which Excel takes it for no UTF-8."""
    named = {"Content-Disposition": f'attachment; filename="wan-spending-{month}.csv"'}
    return Response(f"\ufeff{written}", headers=_HEADERS | named, media_type="text/csv")


def _page(language: Language, report: Report) -> str:
    month = report.month
    return str(
        render(
            "spending.html",
            language,
            tag=TAGS[language],
            style=Markup(read_assets("css", *_STYLES)),  # noqa: S704 - our own files
            pages={one: f"spending?month={month.name}&lang={one}" for one in ("zh", "en")},
            report=report,
            shown=report.expenses[:_SHOWN],
            person=partial(_person, language),
            money=partial(_money, language),
            cost=partial(_cost, language),
            time_at=partial(time_at, language),
        )
    )


def _person(language: Language, name: str) -> Markup:
    """Who made something. name: as in `Expense`."""
    if name in (OPERATOR, ""):
        return text(language, "spending_others" if not name else "spending_commands")
    return as_it_is(name)


def _money(language: Language, total: Total) -> Markup:
    """What several jobs cost."""
    parts = [as_it_is(format_sums(total.cost) or "–")]
    if total.pending:
        parts.append(text(language, "spending_pending", price=format_sums(total.pending)))
    if total.unpriced:
        parts.append(text(language, "spending_unpriced", count=total.unpriced))
    return Markup("<br>").join(parts)


def _cost(language: Language, one: Expense) -> Markup:
    """What a job cost."""
    if one.simulated:
        return text(language, "cost_free")
    if not one.cost:
        return text(language, "cost_unknown" if one.cost is None else "cost_none")
    key = "cost_if" if one.live else "cost_maybe" if one.spent is Spent.MAYBE else "quote"
    return text(language, key, price=format_money(one.cost, one.currency))
