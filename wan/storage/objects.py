"""The store of references and videos: a folder by default, or any object store of obstore.

A failure that passes (a full disk, a store that does not answer) is raised as StorageUnavailable.
"""

import asyncio
import contextlib
import math
import mimetypes
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import HTTPStore, LocalStore, ObjectStore, from_url

from wan.domain.errors import SettingsError, StorageUnavailable, is_full
from wan.domain.messages import Message
from wan.environment.checks import mask_url
from wan.environment.open_files import open_file
from wan.environment.settings import WORK
from wan.storage.atomic_files import write_whole

_CHUNK = 1 << 20  # bytes
_PARTS_AT_ONCE = 1  # of 5 MB; obstore's default of 12 takes 60 MB of memory for each job
_MEGABYTE = 1_000_000
CACHE_LIMIT = 2_000_000_000  # bytes of copies of a bucket's files: some hundred videos
# Bytes that stay free for running jobs: the five of a model bring up to 30 MB each (15 s at 1080P),
# kept twice: as made, and as shown.
ROOM = 300_000_000
_ALLOWED = (
    "a location that obstore can open: file:///folder, or a bucket at s3://bucket/folder (S3, and "
    "OSS by its S3 address), gs://bucket/folder (Google) or az://container/folder (Azure)"
)
_OSS_HOST = ".aliyuncs.com"
_ANNOUNCED = f"{WORK}keys-"
_IN_USE = 60.0  # seconds for which a copy stays after it was handed out, to be opened


class Storage:
    """Files by key. A key is made by us and has no user's words in it.

    url: `file:///folder`, or a bucket's URL as obstore takes it. cache: the folder for local copies
    of what lies in a bucket, and for unfinished files. Raises SettingsError for a URL that obstore
    cannot open.
    """

    def __init__(self, url: str, cache: Path) -> None:
        self._url, self._cache = url if url.endswith("/") else f"{url}/", cache
        self._deriving = asyncio.Semaphore(1)
        self._folder = Path(unquote(urlsplit(url).path)) if url.startswith("file:") else None
        self._store = open_store(url, self._folder)

    async def put(self, key: str, source: bytes | Path) -> str:
        """Keep a file, whole or not at all, and return its key. Raises StorageUnavailable."""
        with translate_errors():
            # Players that get a file from the bucket want to know; a folder has no place for it.
            kind = mimetypes.guess_type(key)[0] if self._folder is None else None
            await obstore.put_async(
                self._store,
                key,
                source,
                attributes={"Content-Type": kind} if kind else None,
                max_concurrency=_PARTS_AT_ONCE,
            )
            if self._folder is not None:
                await asyncio.to_thread(_sync_to_disk, self._folder / key)
        return key

    async def has(self, key: str) -> bool:
        """Tell whether there is a file under a key. Raises StorageUnavailable."""
        try:
            with translate_errors():
                await obstore.head_async(self._store, key)
        except FileNotFoundError:
            return False
        return True

    async def local_copy(self, key: str) -> Path:
        """Return a readable path: the file itself, or a copy that stays for at least a minute.

        Raises FileNotFoundError and StorageUnavailable.
        """
        if self._folder is not None:
            if not await self.has(key):
                raise FileNotFoundError(key)
            return self._folder / key
        path = self._cache / key
        try:
            # Marks the time of the last use, and fails where there is no copy.
            await asyncio.to_thread(os.utime, path)
        except FileNotFoundError:
            await self._download(key, path)
            await self._require_kept(key)
            await asyncio.to_thread(_trim, self._cache)
        return path

    async def hold(self, key: str, folder: Path) -> Path:
        """Return a `local_copy` that no cleanup removes while `folder`, a work folder, exists."""
        return await self.link_into(await self.local_copy(key), folder)

    async def link_into(self, path: Path, folder: Path) -> Path:
        """Link or copy a file into a work folder, out of cleanup's reach.

        Raises StorageUnavailable.
        """
        link = folder / f"{secrets.token_hex(4)}{path.suffix}"
        try:
            await asyncio.to_thread(os.link, path, link)
        except OSError:  # another disk, or one without links
            with translate_errors():
                await asyncio.to_thread(shutil.copyfile, path, link)
        return link

    async def derive(self, key: str, name: str, make: Callable[[Path, Path], None]) -> Path:
        """Return what `make` writes from a kept file, made once and then kept like a copy.

        make: gets the file's path and a target. name: of what is made. Raises FileNotFoundError,
        StorageUnavailable, and what `make` raises.
        """
        path = self._cache / name / key
        async with self._deriving:
            source = await self.local_copy(key)
            try:
                await asyncio.to_thread(os.utime, path)
            except FileNotFoundError:
                with translate_errors():
                    await asyncio.to_thread(_derive, source, path, make)
                await self._require_kept(key)
                await asyncio.to_thread(_trim, self._cache)
        return path

    async def _require_kept(self, key: str) -> None:
        """Raise FileNotFoundError, and leave no copy, if the file is gone by now."""
        if not await self.has(key):
            await asyncio.to_thread(_unlink_copies, self._cache, key)
            raise FileNotFoundError(key)

    async def list_older(self, folder: str, before: float) -> list[str]:
        """List the keys in a folder ("videos/") from before a time. Raises StorageUnavailable.

        before: seconds since 1970.
        """
        with translate_errors():
            pages = [page async for page in obstore.list(self._store, folder)]
        return [
            found["path"]
            for page in pages
            for found in page
            if found["last_modified"].timestamp() < before
        ]

    async def remove(self, key: str, before: float = math.inf) -> None:
        """Remove a file and its copy here, unless put again since `before`.

        Raises StorageUnavailable.
        """
        with translate_errors():
            with contextlib.suppress(FileNotFoundError):  # gone, but the copy may be there
                if (await obstore.head_async(self._store, key))[
                    "last_modified"
                ].timestamp() >= before:
                    return
                await obstore.delete_async(self._store, key)
            await asyncio.to_thread(_unlink_copies, self._cache, key)

    def announce(self, keys: Iterable[str]) -> Path:
        """Note the keys of files that are put before the row that names them is written, and return
        the note: whoever wrote the row, or removed them, deletes it. Blocks.
        """
        with translate_errors():
            self._cache.mkdir(parents=True, exist_ok=True)
            name = secrets.token_hex(8)
            part = self._cache / f"{WORK}{name}"
            part.write_text("\n".join(keys), encoding="utf-8")
            return part.replace(self._cache / f"{_ANNOUNCED}{name}")

    def list_announced(self, before: float) -> list[str]:
        """List the keys in notes of dead processes, untouched since `before`. Blocks."""
        keys: list[str] = []
        for note in self._cache.glob(f"{_ANNOUNCED}*"):
            if last_change(note) < before:
                with contextlib.suppress(FileNotFoundError), translate_errors():
                    keys += note.read_text(encoding="utf-8").split()
        return keys

    def clear_leftovers(self, before: float) -> None:
        """Remove unfinished files of dead processes and their notes, untouched since `before`.
        Blocks.
        """
        for left in self._cache.glob(f"{WORK}*"):
            if last_change(left) < before:
                shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(
                    missing_ok=True
                )
        # obstore's own parts end in #1.
        stored = self._folder.rglob("*#*") if self._folder else ()
        for part in (*self._cache.glob("[!.]*/**/*.part"), *stored):
            if last_change(part) < before:
                part.unlink(missing_ok=True)

    def path(self, key: str) -> Path | None:
        """Return where a file lies in a local folder; None where the storage is not one."""
        return self._folder / key if self._folder is not None else None

    def url_of(self, key: str) -> str:
        """Return the URL of a file in the storage: `file://` or the bucket's own scheme."""
        return (self._folder / key).as_uri() if self._folder is not None else f"{self._url}{key}"

    @contextlib.asynccontextmanager
    async def workroom(self) -> AsyncIterator[Path]:
        """Make a folder for unfinished files, removed with the block. Raises StorageUnavailable.

        It lies beside the database: /tmp is memory on some systems and is shared with strangers,
        and one disk is easier to watch than two.
        """
        room = await asyncio.to_thread(self._new_room)
        try:
            yield room
        finally:
            await asyncio.to_thread(shutil.rmtree, room, ignore_errors=True)

    def require_room(self) -> None:
        """Raise StorageUnavailable when a disk has too little space left for new work. Blocks."""
        require_room(*(folder for folder in (self._cache, self._folder) if folder is not None))

    def _new_room(self) -> Path:
        with translate_errors():
            self._cache.mkdir(parents=True, exist_ok=True)
            return Path(tempfile.mkdtemp(prefix=WORK, dir=self._cache))

    async def _download(self, key: str, path: Path) -> None:
        part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
        try:
            with translate_errors():
                await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
                found = await obstore.get_async(self._store, key)
                async with open_file(part, "wb") as file:
                    async for chunk in found.stream(min_chunk_size=_CHUNK):
                        await asyncio.to_thread(file.write, chunk)
                await asyncio.to_thread(part.replace, path)
        finally:
            await asyncio.to_thread(part.unlink, missing_ok=True)


def open_store(url: str, folder: Path | None = None) -> ObjectStore:
    """Open the store of a URL, which may be a folder's. Raises SettingsError."""
    parts = urlsplit(url)
    if parts.scheme == "oss" or (parts.hostname or "").endswith(_OSS_HOST):  # spoken to as S3
        raise SettingsError(Message.of("storage_oss", given=mask_url(url)))
    try:
        if folder is not None:
            return LocalStore(folder, automatic_cleanup=True, mkdir=True)
        store = from_url(url)
    except (BaseError, OSError, ValueError):
        store = None
    if store is None or isinstance(store, HTTPStore):  # a web server: nothing can be listed there
        # The URL may hold a secret, and what the store says of it may quote it.
        raise SettingsError.about("WAN_STORAGE_URL", mask_url(url), _ALLOWED)
    return store


def require_room(*folders: Path, more: int = 0) -> None:
    """Raise StorageUnavailable where `more` bytes and the running jobs have no space. Blocks.

    Folders that are missing are made.
    """
    with translate_errors():
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        free = min(shutil.disk_usage(folder).free for folder in folders)
    if free < ROOM + more:
        raise StorageUnavailable(
            "disk_low", given=free // _MEGABYTE, low=math.ceil((ROOM + more) / _MEGABYTE)
        )


def last_change(path: Path) -> float:
    """Return the last change in a file or folder, in seconds since 1970; now if it vanishes."""
    try:
        every = [found.lstat() for found in (path, *path.rglob("*"))]
    except FileNotFoundError:
        return time.time()
    return max(max(found.st_mtime, found.st_ctime) for found in every)


@contextlib.contextmanager
def translate_errors() -> Iterator[None]:
    """Translate errors of a store or a disk into FileNotFoundError and StorageUnavailable."""
    try:
        yield
    except (NotFoundError, FileNotFoundError) as error:
        raise FileNotFoundError(str(error).partition("\n")[0]) from None
    except (BaseError, OSError) as error:
        raise (
            StorageUnavailable("disk_full")
            if is_full(error)
            else StorageUnavailable("storage_down", code=type(error).__name__)
        ) from error


def _trim(folder: Path) -> None:
    """Remove the copies used longest ago until cache limit and free space are kept.

    Readers that have one open read it to its end.
    """
    copies = sorted(_copies(folder))
    over = max(
        sum(size for _, size, _ in copies) - CACHE_LIMIT, ROOM - shutil.disk_usage(folder).free
    )
    for used_at, size, path in copies:
        if over <= 0 or time.time() - used_at < _IN_USE:
            return
        with contextlib.suppress(FileNotFoundError):  # another process may clean up too
            if path.stat().st_mtime == used_at:  # not used meanwhile
                _unlink(path)
                over -= size


def _derive(source: Path, path: Path, make: Callable[[Path, Path], None]) -> None:
    """Write what is made of a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_whole(path) as part:
        make(source, part)


def _unlink_copies(cache: Path, key: str) -> None:
    """Remove the copy of a file and everything derived from it."""
    for copy in (cache / key, *cache.glob(f"[!.]*/{key}")):
        _unlink(copy)


def _unlink(copy: Path) -> None:
    """Remove a copy, and its folder with the last one."""
    copy.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        copy.parent.rmdir()


def _copies(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """Yield each whole copy: time of last use, bytes, path."""
    for path in folder.glob("[!.]*/**/*"):
        with contextlib.suppress(FileNotFoundError):
            if path.suffix != ".part" and path.is_file():
                found = path.stat()
                yield found.st_mtime, found.st_size, path


def _sync_to_disk(path: Path) -> None:
    """Force a file and its name to disk: no row may outlive its paid video in a power failure."""
    for one in (path, path.parent):
        handle = os.open(one, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
