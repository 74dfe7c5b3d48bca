"""What the library does with all that is chosen, whatever it is: download the videos, delete."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path

from wan.domain.errors import JobNotFound, StorageUnavailable, WanError
from wan.domain.messages import Message
from wan.ui import long_work, reuse_settings
from wan.ui.caller import Caller, Events
from wan.ui.chosen import HELD, ChosenWork, find_videos, read_chosen
from wan.ui.components import library as html
from wan.web.paths import file_address

_ARCHIVE = "wan-videos.zip"


class Selection:
    """Downloads and deletes what is chosen. Every id that comes from a page is looked up together
    with its owner.
    """

    def __init__(self, events: Events) -> None:
        self._language, self._studio = events.language, events.studio

    def connect(self, bar: html.LibraryBar, works: ChosenWork) -> None:
        """Connect the buttons of the bar."""
        works.connect(bar.pack, self.pack)
        works.connect(bar.delete, self.delete_chosen)

    async def pack(self, caller: Caller, chosen: str) -> AsyncIterator[str]:
        """Show how far the packing of the chosen videos is, and then offer them. One such work at a
        time of an owner.
        """
        owner = caller.owner
        found, gone = await find_videos(self._studio, chosen, owner)
        videos = [job.id for job in found]
        if len(videos) not in html.NEEDED["pack"]:
            why = Message.of("library_pack_some")
            yield html.show_note(self._language, why, gone, beside="work")
            return
        async with self._studio.counts.hold(HELD, owner) as is_held:
            if not is_held:
                yield html.show_note(self._language, Message.of("library_join_busy"), beside="work")
                return
            async with contextlib.aclosing(self._pack(videos, gone, owner)) as steps:
                async for step in steps:
                    yield step

    def _pack(self, videos: list[str], gone: list[str], owner: str) -> AsyncGenerator[str]:
        async def archive(progress: Callable[[float], None]) -> Path:
            async with reuse_settings.create_file(
                self._studio, _ARCHIVE, videos, owner=owner
            ) as path:
                await self._studio.exports.archive(
                    videos, owner=owner, target=path, progress=progress
                )
            return path

        def show_share(done: float) -> str:
            return html.show_progress(self._language, done, gone, "library_packing")

        def offer(path: Path) -> str:
            address = file_address(self._studio.uploads.name(path))
            return html.show_download(
                self._language, address, _ARCHIVE, "library_archive", at_once=True
            )

        return long_work.follow(archive, show_share, offer)

    async def delete_chosen(self, caller: Caller, chosen: str) -> AsyncIterator[str]:
        """Delete the chosen jobs, and show how far that is. What is still on its way stays."""
        owner, wanted = caller.owner, read_chosen(chosen)
        gone: list[str] = []

        async def delete(progress: Callable[[float], None]) -> int:
            async with self._studio.library.deleting(owner=owner) as delete_one:
                for number, job_id in enumerate(wanted):
                    progress(number / len(wanted))
                    try:
                        await delete_one(job_id)
                    except StorageUnavailable:
                        raise
                    except JobNotFound:
                        pass
                    except WanError:
                        continue
                    gone.append(job_id)
            return len(wanted) - len(gone)

        def show_share(done: float) -> str:
            return html.show_progress(self._language, done, gone, "library_deleting")

        def show_kept(kept: int) -> str:
            return html.show_deleted(self._language, gone, kept)

        try:
            async with contextlib.aclosing(
                long_work.follow(delete, show_share, show_kept)
            ) as steps:
                async for step in steps:
                    yield step
        except WanError as error:
            yield html.show_note(self._language, error.message, gone, beside="work")
