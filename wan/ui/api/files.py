"""Files as programs give them, as what a request is made from."""

import asyncio
import base64
import binascii
import contextlib
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from wan.domain.errors import InvalidInput
from wan.domain.quoting import shorten
from wan.domain.requests import Media
from wan.storage.uploads import UploadFolder

File = str | dict[str, Any]
"""An http(s) URL that the service fetches, a `data:` URL (over HTTP up to 700 kB, as a call may
have 1 MB), or an upload: what `gradio_client.handle_file` makes of a local file, of which
`wan.ui.inputs` gives its path, or the URL that `gradio upload-mcp` says.
"""

_ROUTE = "/gradio_api/file="
_PATH = re.compile(
    r"\s*(?:file:|[a-z]:[\\/]|(?![a-z][a-z0-9+.-]*:)\S)", re.IGNORECASE
)  # a path of this machine or the caller's: no scheme but file:


async def read_file(uploads: UploadFolder, field: str, given: File | Path) -> Media:
    """Return the bytes of a file, the path of an upload, or a URL for the service.

    No other path is ever opened. Raises InvalidInput.
    """
    if isinstance(given, Path):
        return given
    if not isinstance(given, str):
        kind = "nothing" if given is None else type(given).__name__
        raise InvalidInput(
            field, "field_type", given=kind, allowed="a URL, a data: URL or an uploaded file"
        )
    return await asyncio.to_thread(_read, uploads, field, given)


def _read(uploads: UploadFolder, field: str, given: str) -> Media:
    """Return what a text stands for. Blocks."""
    if given.startswith("data:"):
        return _decode(field, given)
    if name := _name_upload(given):
        if upload := uploads.find(name):
            return upload
        raise InvalidInput(field, "upload_gone")
    if _PATH.match(given):
        raise InvalidInput(field, "path_given", given=shorten(given))
    return given


def _name_upload(url: str) -> str:
    """Return the name of the upload, or sample, that a URL leads to; "" for any other URL.

    The name says that it is an app's like this one, whatever that is called there.
    """
    with contextlib.suppress(ValueError):
        _, _, name = urlsplit(url).path.partition(_ROUTE)
        return unquote(name) if name.startswith(("uploads/", "samples/")) else ""
    return ""


def _decode(field: str, url: str) -> bytes:
    """Return the bytes in a `data:` URL. Raises InvalidInput."""
    head, comma, body = url.partition(",")
    try:
        if not comma:
            raise ValueError
        return (
            base64.b64decode(unquote_to_bytes(body), validate=True)
            if head.endswith(";base64")
            else unquote_to_bytes(body)
        )
    except (ValueError, binascii.Error):
        raise InvalidInput(field, "data_url_bad", given=shorten(url, 60)) from None
