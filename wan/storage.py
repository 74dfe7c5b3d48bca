"""Where references and videos are kept: a folder by default, any object store that obstore knows by its URL."""

import asyncio
import secrets
from pathlib import Path
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import NotFoundError
from obstore.store import LocalStore, from_url

_CHUNK = 1 << 20  # bytes


class Storage:
    """Files by key. A key is made by us and has no user's words in it.

    url: `file:///folder`, or a bucket's URL as obstore takes it. cache: the folder for local copies of what lies in a bucket.
    """

    def __init__(self, url: str, cache: Path) -> None:
        self._folder = Path(unquote(urlsplit(url).path)) if url.startswith("file:") else None
        self._store = LocalStore(self._folder, mkdir=True) if self._folder else from_url(url)
        self._cache = cache

    async def put(self, key: str, source: bytes | Path) -> str:
        """Keeps a file under a key, which is given back. A put that dies on the way leaves nothing that can be seen."""
        await obstore.put_async(self._store, key, source)
        return key

    async def has(self, key: str) -> bool:
        """Whether there is a file under a key."""
        try:
            await obstore.head_async(self._store, key)
        except (NotFoundError, FileNotFoundError):
            return False
        return True

    async def local_copy(self, key: str) -> Path:
        """A path from which the file can be read: the file itself, or a copy of it. Raises FileNotFoundError."""
        if self._folder is not None:
            if not await self.has(key):
                raise FileNotFoundError(key)
            return self._folder / key
        path = self._cache / key
        if not await asyncio.to_thread(path.exists):
            await self._download(key, path)
        return path

    def link(self, key: str) -> str:
        """A URL of the file for whoever has access to the storage: `file://` or the bucket's own scheme."""
        return (self._folder / key).as_uri() if self._folder is not None else key

    async def _download(self, key: str, path: Path) -> None:
        part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        try:
            found = await obstore.get_async(self._store, key)
        except NotFoundError:
            raise FileNotFoundError(key) from None
        with await asyncio.to_thread(part.open, "wb") as file:
            async for chunk in found.stream(min_chunk_size=_CHUNK):
                await asyncio.to_thread(file.write, chunk)
        await asyncio.to_thread(part.replace, path)
