"""A bucket, where one is the storage: small files in it, and addresses at which it serves them
itself.
"""

import contextlib
from datetime import timedelta
from typing import Self
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store

from wan.domain.errors import SettingsError
from wan.storage.objects import open_store, translate_errors

SIGNED = 60.0  # seconds for which a signed address can be used


class Bucket:
    """Small files in a bucket, by key, whole. url: as of a `Storage` that is no folder.

    Raises StorageUnavailable, and FileNotFoundError for a file, or a bucket, that is not there.
    """

    def __init__(self, url: str) -> None:
        self._store = open_store(url)

    async def put(self, key: str, content: bytes) -> None:
        """Write a file."""
        with translate_errors():
            await obstore.put_async(self._store, key, content)

    async def read(self, key: str) -> bytes:
        """Return what is in a file."""
        with translate_errors():
            return bytes(await (await obstore.get_async(self._store, key)).bytes_async())

    async def list_files(self, folder: str) -> dict[str, float]:
        """List the keys in a folder, with the time of the last change, in seconds since 1970."""
        with translate_errors():
            return {
                found["path"]: found["last_modified"].timestamp()
                async for page in obstore.list(self._store, folder)
                for found in page
            }

    async def list_folders(self, folder: str) -> list[str]:
        """List the folders in a folder, by their whole keys."""
        with translate_errors():
            found = await obstore.list_with_delimiter_async(self._store, folder)
        return list(found["common_prefixes"])

    async def remove(self, key: str) -> None:
        """Remove a file, if it is there."""
        with contextlib.suppress(FileNotFoundError), translate_errors():
            await obstore.delete_async(self._store, key)


class SignedAddresses:
    """Addresses at which a bucket itself serves its files, to whoever has one, for SIGNED seconds.

    origin: with which each of them begins.
    """

    def __init__(self, store: S3Store | GCSStore | AzureStore, origin: str) -> None:
        self._store, self.origin = store, origin

    @classmethod
    async def open(cls, url: str, setting: str) -> Self:
        """Open the bucket at a URL, as obstore takes it. setting: what asks for that. Raises
        SettingsError where nothing can be signed.
        """
        try:
            store = open_store(url)
            if isinstance(store, S3Store | GCSStore | AzureStore):
                parts = urlsplit(await _sign(store, "videos/any.mp4"))
                return cls(store, f"{parts.scheme}://{parts.netloc}")
        except (BaseError, OSError, ValueError):
            pass  # its message may quote a secret
        allowed = (
            "it with a bucket in WAN_STORAGE_URL that can sign addresses: S3, GCS or Azure, "
            "with the credentials for that"
        )
        raise SettingsError.about(setting, "true", allowed)

    async def of(self, key: str) -> str:
        """Return the address of a file, which may not be there. Raises StorageUnavailable."""
        with translate_errors():
            return await _sign(self._store, key)


async def _sign(store: S3Store | GCSStore | AzureStore, key: str) -> str:
    """Sign an address, which needs no request but for the credentials of a cloud's machine."""
    return await obstore.sign_async(store, "GET", key, timedelta(seconds=SIGNED))
