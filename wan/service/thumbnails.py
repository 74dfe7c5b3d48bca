"""Small pictures of what jobs were made from, for whoever may see the job."""

import hmac
from collections import OrderedDict

from wan.domain.errors import InvalidInput, JobNotFound
from wan.domain.ids import Owners
from wan.domain.turns import Asker
from wan.media import inputs
from wan.service.library import Library
from wan.storage.objects import Storage

_KNOWN = 500  # pictures that are remembered; five kilobytes each


class Thumbnails:
    """Thumbnails of references. Each file is opened once, however many jobs are made from it."""

    def __init__(self, storage: Storage, library: Library, owners: Owners) -> None:
        self._storage, self._library, self._owners = storage, library, owners
        self._known: OrderedDict[str, bytes] = OrderedDict()

    def name(self, job_id: str, number: int) -> str:
        """Return the name under which a reference's thumbnail is found: it opens nothing else.

        number: of the reference, from 1.
        """
        return f"{self._owners.thumbnails_of(job_id)}/{job_id}/{number}"

    async def find(self, token: str, job_id: str, number: int, address: str) -> bytes | None:
        """Return a thumbnail by the three parts of its name, a WebP; None where there is none.

        address: of whoever asks. Raises StorageUnavailable and Crowded.
        """
        if not hmac.compare_digest(token.encode(), self._owners.thumbnails_of(job_id).encode()):
            return None
        try:
            owner = await self._library.owner_of(job_id)
            references = (await self._library.get(job_id, owner=owner)).references
        except JobNotFound:
            return None
        key = references[number - 1].key if 0 < number <= len(references) else ""
        if not key or references[number - 1].kind == "audio":
            return None
        if key not in self._known:
            try:
                path = await self._storage.local_copy(key)
                asker = Asker(address, owner)
                shown = await inputs.run_in_sandbox(asker, inputs.preview_reference, "", path)
            except (FileNotFoundError, InvalidInput):
                return None
            self._known[key] = shown.thumbnail
            if len(self._known) > _KNOWN:
                self._known.popitem(last=False)
        return self._known[key]
