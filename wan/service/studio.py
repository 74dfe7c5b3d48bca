"""The studio: opens everything that makes and keeps videos, and hands out its parts to the page,
the command line and scripts.
"""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from wan.database.jobs import Jobs
from wan.database.limits import Limits
from wan.database.queue import Queue
from wan.domain.errors import SettingsError, StorageUnavailable
from wan.domain.file_names import FileNames
from wan.domain.messages import Message
from wan.environment.connection import Connection
from wan.environment.settings import Settings
from wan.provider.gateway import Gateway
from wan.provider.local_simulator import LocalSimulator
from wan.service import cleanup
from wan.service.access import Access, AccessPolicy, KeyRing
from wan.service.changes import Changes
from wan.service.counts import Counts
from wan.service.discussion import Discussion
from wan.service.exports import Exports
from wan.service.films import Films
from wan.service.key_presence import KeyPresence
from wan.service.library import EditableLibrary
from wan.service.metrics import Metrics
from wan.service.monitoring import Monitoring
from wan.service.presence import Presence
from wan.service.quotes import Quotes
from wan.service.references import References
from wan.service.reviews import Reviews
from wan.service.runner import Runner
from wan.service.spending import Spending
from wan.service.stopping import finish
from wan.service.stores import Stores, open_stores
from wan.service.submission import Submission
from wan.service.thumbnails import Thumbnails
from wan.service.watching import Watching
from wan.storage.uploads import UploadFolder, default_folder

log = logging.getLogger("wan.service.studio")

_SIMULATOR_CHECKED = 3.0  # seconds between two looks whether the simulator is there


@dataclass(frozen=True)
class _Parts:
    """What an open studio hands out."""

    stores: Stores
    runner: Runner
    access: Access
    key_presence: KeyPresence
    library: EditableLibrary
    exports: Exports
    films: Films
    monitoring: Monitoring
    reviews: Reviews
    spending: Spending
    discussion: Discussion
    submission: Submission
    thumbnails: Thumbnails
    watching: Watching


class Studio:
    """Make videos, keep them, and remember every job. Used as `async with Studio(settings) as
    studio`, which also runs the background loop.

    clock: seconds since 1970; passed in by tests. only_jobs_started_here: send no jobs but those
    that are submitted or resumed here, so that nobody pays for what somebody has stopped elsewhere;
    jobs that are sent already are all looked after. A part that is asked for before the studio is
    open raises RuntimeError.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], float] = time.time,
        *,
        only_jobs_started_here: bool = False,
    ) -> None:
        self.settings, self.backend = settings, settings.backend
        self.uploads = UploadFolder(default_folder(settings.output_dir))
        self.quotes = Quotes(settings, self.backend)
        self.file_names = FileNames(settings.download_name)
        """Of videos, where people keep them."""
        self.metrics = Metrics()
        """What is counted here, before the studio is open too."""
        self.counts = Counts()
        """What is counted for the whole installation, while the studio is open."""
        self._clock = clock
        self._sendable: set[str] | None = set() if only_jobs_started_here else None
        self._parts: _Parts | None = None
        self._work: list[asyncio.Task[None]] = []

    @property
    def _open_parts(self) -> _Parts:
        if self._parts is None:
            raise RuntimeError("the studio is not open")
        return self._parts

    @property
    def stores(self) -> Stores:
        """The database, the files and the records of runs."""
        return self._open_parts.stores

    @property
    def runner(self) -> Runner:
        """The background loop."""
        return self._open_parts.runner

    @property
    def access(self) -> Access:
        """Who somebody is, and what they may do."""
        return self._open_parts.access

    @property
    def library(self) -> EditableLibrary:
        """Every owner's jobs and their files."""
        return self._open_parts.library

    @property
    def exports(self) -> Exports:
        """What is made of finished videos."""
        return self._open_parts.exports

    @property
    def films(self) -> Films:
        """Finished videos, joined to one that is kept."""
        return self._open_parts.films

    @property
    def monitoring(self) -> Monitoring:
        """Whether the stores answer, and what all jobs come to."""
        return self._open_parts.monitoring

    @property
    def reviews(self) -> Reviews:
        """Takes that others are asked to judge."""
        return self._open_parts.reviews

    @property
    def spending(self) -> Spending:
        """What was made, by whom, and what it cost."""
        return self._open_parts.spending

    @property
    def discussion(self) -> Discussion:
        """What is said about comments in reviews."""
        return self._open_parts.discussion

    @property
    def submission(self) -> Submission:
        """What jobs cost, and how they are submitted, retried and cancelled."""
        return self._open_parts.submission

    @property
    def thumbnails(self) -> Thumbnails:
        """Small pictures of what jobs were made from."""
        return self._open_parts.thumbnails

    @property
    def watching(self) -> Watching:
        """How jobs stand, now and on every change."""
        return self._open_parts.watching

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as opening:
            self._parts = await self._open(opening)
            self._opened = opening.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._opened.aclose()

    async def hand_over(self) -> None:
        """Take up no more work, and leave what is in hand to whoever else drives jobs, at once; an
        answer to a paid request is still waited for. What is submitted from now on waits in line,
        and everything else goes on as before.
        """
        await asyncio.gather(*map(_stop, self._work))

    async def _open(self, opened: contextlib.AsyncExitStack) -> _Parts:
        """Open one part after the other; they are closed again in the opposite order, also when a
        later one does not open.
        """
        stores = await opened.enter_async_context(open_stores(self.settings))
        opened.enter_context(self.counts.shared_by(Limits(stores.database)))
        presence = Presence(stores.database, self.settings)
        await presence.begin()
        opened.push_async_callback(presence.end)
        simulated = self.backend == "simulator"
        demo = LocalSimulator(self.settings)
        opened.push_async_callback(asyncio.to_thread, demo.stop)
        connection = (
            await asyncio.to_thread(demo.start) if simulated else self.settings.connection()
        )
        if self.settings.key_withheld:
            log.warning("%s", Message.of("key_on_space"))
        gateway = Gateway(self.settings.outward_proxy)
        opened.push_async_callback(gateway.close)
        await asyncio.to_thread(gateway.prepare, connection)
        parts = self._connect(stores, connection, gateway)
        opened.push_async_callback(self._release_unsent, Queue(stores.database))
        work = {
            "runner": parts.runner.run(),
            "watching": parts.watching.run(),
            "keys": parts.access.prune_keys(),
            "key presence": parts.key_presence.keep(),
            "presence": presence.keep(),
            "counts": self.counts.keep_clean(),
            "cleanup": self._keep_clean(stores, parts.runner),
        } | ({"demo": _keep_simulator(demo)} if simulated else {})
        tasks = {name: asyncio.create_task(task, name=name) for name, task in work.items()}
        for task in tasks.values():
            opened.push_async_callback(_stop, task)
        self._work = [tasks[name] for name in ("runner", "key presence", "cleanup")]
        return parts

    def _connect(self, stores: Stores, connection: Connection, gateway: Gateway) -> _Parts:
        """Make the parts, which work together."""
        settings, clock, changes = self.settings, self._clock, Changes()
        policy, keys = AccessPolicy(settings, connection, counts=self.counts), KeyRing(connection)
        present = KeyPresence(stores.database, keys, connection.account)
        runner = self._make_runner(stores, gateway, keys, changes)
        access = Access(
            database=stores.database,
            connection=connection,
            policy=policy,
            keys=keys,
            gateway=gateway,
            runner=runner,
            changes=changes,
        )
        references = References(Jobs(stores.database), stores.storage, self.uploads)
        library = EditableLibrary(stores, references, changes, clock)
        submission = Submission(
            quotes=self.quotes,
            stores=stores,
            library=library,
            references=references,
            gateway=gateway,
            runner=runner,
            access=access,
            sendable=self._sendable,
            changes=changes,
            metrics=self.metrics,
            clock=clock,
        )
        exports = Exports(stores.storage, library, self.file_names)
        reviews = Reviews(stores.database, stores.storage, self.uploads, clock, changes.notify)
        return _Parts(
            stores=stores,
            runner=runner,
            access=access,
            library=library,
            exports=exports,
            films=Films(stores, library, exports, changes, clock),
            monitoring=Monitoring(stores, policy.operator, keys, clock),
            spending=Spending(stores.database, settings, clock),
            reviews=reviews,
            discussion=Discussion(stores.database, reviews, clock, changes.notify),
            submission=submission,
            thumbnails=Thumbnails(stores.storage, library, access.owners),
            key_presence=present,
            watching=Watching(
                stores.database, library, present, runner, changes, self.metrics, clock
            ),
        )

    def _make_runner(
        self, stores: Stores, gateway: Gateway, keys: KeyRing, changes: Changes
    ) -> Runner:
        return Runner(
            database=stores.database,
            storage=stores.storage,
            gateway=gateway,
            connections=keys,
            evidence=stores.evidence,
            poll_seconds=self.settings.poll_seconds,
            uncertain_seconds=self.settings.uncertain_seconds,
            changed=changes.notify,
            clock=self._clock,
            unsent=self._sendable,
            metrics=self.metrics,
            announced=self.settings.event_secret is not None,
        )

    async def _release_unsent(self, queue: Queue) -> None:
        """Release what was begun here and is not sent: it waits for whoever asks for it."""
        if self._sendable:
            with contextlib.suppress(StorageUnavailable):  # it is overdue soon, which does the same
                await queue.release(self._sendable)

    async def _keep_clean(self, stores: Stores, runner: Runner) -> None:
        """Clean up soon after the start, though never in the way of it, and then every hour."""
        pause = cleanup.FIRST_PAUSE
        while True:
            await asyncio.sleep(pause)
            pause = cleanup.PAUSE
            try:
                await asyncio.to_thread(self.uploads.clear, self._clock() - cleanup.DAY)
                await runner.expire_abandoned()
                await cleanup.clean_up(
                    database=stores.database,
                    storage=stores.storage,
                    evidence=stores.evidence,
                    uploads=_page_uploads(self.settings),
                    keep_days=self.settings.keep_days,
                    now=self._clock(),
                )
            except Exception:
                log.exception("not everything could be cleaned up; trying again in an hour")


async def _stop(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait for its end, also when this is cancelled, which is raised after that.
    Raises what the task raises. One that is ending already is not disturbed: it may wait for the
    answer to a paid request.
    """
    if not task.cancelling():
        task.cancel()
    await finish(asyncio.wait([task]))
    if not task.cancelled():
        task.result()


def _page_uploads(settings: Settings) -> Path | None:
    """Return Gradio's folder of uploads, which `app.py` sets where there is a page; None without
    one, and for a folder that the operator chose, which is theirs to clean up.
    """
    folder = os.environ.get("GRADIO_TEMP_DIR")
    ours = folder and Path(folder).is_relative_to(settings.output_dir.absolute())
    return Path(folder) if folder and ours else None


async def _keep_simulator(demo: LocalSimulator) -> None:
    """Start the local simulator again whenever it is gone. Its tasks are on disk, so nothing is
    lost.
    """
    while True:
        await asyncio.sleep(_SIMULATOR_CHECKED)
        try:
            await asyncio.to_thread(demo.restart_if_gone)
        except (OSError, SettingsError):
            log.exception("the simulator is gone and does not start again yet")
