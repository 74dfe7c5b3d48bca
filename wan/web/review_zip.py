"""A review to take away: one page that opens from disk without a network, with its videos beside
it, in a zip.
"""

import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from wan.domain.messages import LOCALES, Language
from wan.domain.reviews import Review
from wan.service.stopping import run_stoppable
from wan.service.studio import Studio
from wan.storage.objects import require_room
from wan.web import review_html

_CHUNK = 1 << 18  # bytes; between two of them an export can be stopped


async def pack(
    language: Language,
    studio: Studio,
    review: Review,
    target: Path,
    *,
    now: float,
    progress: Callable[[float], None],
) -> None:
    """Write the zip. target: its path, where nothing is left if it fails. now: seconds since 1970.

    language: of the page that opens; the same in the other one lies beside it. progress: told the
    share that is done, 0 to 1, from another thread; whatever it raises stops the work and is raised
    here. Where the awaiting task is cancelled, the work has stopped when this ends. Raises
    StorageUnavailable, also where there is no room.
    """
    async with studio.reviews.hold_files(review) as found:
        await run_stoppable(partial(_write, language, target, review, found, now), progress)


def _write(
    language: Language,
    target: Path,
    review: Review,
    found: Mapping[int, tuple[Path, Path | None]],
    now: float,
    progress: Callable[[float], None],
) -> None:
    takes = tuple(
        take if take.number in found else replace(take, job=None) for take in review.takes
    )
    labels = {take.number: take.label for take in takes}
    names = {
        path: f"videos/take-{labels[number]}{path.suffix}"
        for number, paths in found.items()
        for path in paths
        if path
    }

    def address(number: int) -> tuple[str, str]:
        video, poster = (
            names.get(path, "") if path else "" for path in found.get(number, (None, None))
        )
        return video, poster

    whole = replace(review, takes=takes)
    pages = {one: "index.html" if one == language else f"{one}.html" for one in LOCALES}
    part = target.with_name(f"{target.name}.part")
    total, done = sum(path.stat().st_size for path in names) or 1, 0
    require_room(target.parent, more=total)
    try:
        with zipfile.ZipFile(
            part, "w", zipfile.ZIP_STORED
        ) as packed:  # a video does not become smaller
            for one, page in pages.items():
                html = review_html.offline(one, whole, address, pages=pages, now=now)
                packed.writestr(page, html, zipfile.ZIP_DEFLATED)
            for path, name in names.items():
                with (
                    path.open("rb") as source,
                    packed.open(zipfile.ZipInfo.from_file(path, name), "w") as file,
                ):
                    while piece := source.read(_CHUNK):
                        progress(done / total)
                        file.write(piece)
                        done += len(piece)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
