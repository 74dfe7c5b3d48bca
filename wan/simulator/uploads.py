"""Upload policies, and the objects that were uploaded with them.

Shapes and figures: Model Studio help centre, "get temporary file URL", 2026-02-04. The object store
answers as OSS does, in XML. An object belongs to the model that its policy was issued for and to
the account that asked; it can be named in a request and never be downloaded.
"""

import base64
import binascii
import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from pydantic import BaseModel

from .accounts import Clock, Signer
from .errors import Refusal
from .orders import Reference

POLICY_SECONDS = 300
OBJECT_SECONDS = 48 * 3600
OBJECT_MEGABYTES = 100
ACCESS_KEY_ID = "LTAI5tSimulatorOfWan"


class StoreRefusal(Exception):
    """The object store's no: an HTTP status, a code and a message of OSS."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status, self.code, self.message = status, code, message
        super().__init__(f"{code}: {message}")


class StoredObject(BaseModel):
    """What is known of an object: its key, whose it is, for which model, and when it came, in
    seconds since the epoch.
    """

    key: str
    account: str
    model: str
    created: float


class ObjectStore:
    """The objects in `folder`: a file each, under the hash of its key, with its StoredObject beside
    it.
    """

    def __init__(self, folder: Path, clock: Clock, signer: Signer) -> None:
        self._folder, self._clock, self._signer = folder, clock, signer
        folder.mkdir(parents=True, exist_ok=True)

    def policy(self, account: str, model: str, upload_host: str) -> dict[str, Any]:
        """Leave for this account to upload for this model: the `data` of the answer, good for 300
        s.
        """
        day = datetime.fromtimestamp(self._clock(), UTC).date()
        folder = f"dashscope-instant/{account}/{day}/{uuid.uuid4()}"
        terms = {
            "expires": self._clock() + POLICY_SECONDS,
            "folder": folder,
            "account": account,
            "model": model,
        }
        policy = base64.b64encode(json.dumps(terms).encode()).decode()
        return {
            "policy": policy,
            "signature": self._signer.sign(policy),
            "upload_dir": folder,
            "upload_host": upload_host,
            "expire_in_seconds": POLICY_SECONDS,
            "max_file_size_mb": OBJECT_MEGABYTES,
            "capacity_limit_mb": 999999999,
            "oss_access_key_id": ACCESS_KEY_ID,
            "x_oss_object_acl": "private",
            "x_oss_forbid_overwrite": "true",
        }

    def put(self, fields: dict[str, str], content: IO[bytes]) -> None:
        """Store what a form brought, if its policy allows it. Raises StoreRefusal."""
        terms = self._terms(fields)
        key = fields.get("key", "")
        if not key.startswith(terms["folder"] + "/"):
            raise StoreRefusal(
                403,
                "AccessDenied",
                'Invalid according to Policy: Policy Condition failed: ["starts-with", "$key"]',
            )
        if content.seek(0, os.SEEK_END) > OBJECT_MEGABYTES * 2**20:
            raise StoreRefusal(
                400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size"
            )
        content.seek(0)
        name = hashlib.sha256(key.encode()).hexdigest()
        self._keep(name, content)
        record = StoredObject(
            key=key, account=terms["account"], model=terms["model"], created=self._clock()
        )
        (self._folder / f"{name}.json").write_text(record.model_dump_json())

    def find(self, url: str, account: str, model: str, *, resolve: bool) -> Reference:
        """Accept one media URL: http(s), an object of this account and model, or inline base64.

        `resolve` says whether the request carried `X-DashScope-OssResourceResolve: enable`. Raises
        Refusal.
        """
        if url.startswith("data:"):
            return self._keep_inline(url)
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname:
            return Reference(url=url)
        if parts.scheme != "oss":
            raise Refusal("InvalidURL")
        name = hashlib.sha256(url.removeprefix("oss://").encode()).hexdigest()
        if not resolve:
            raise Refusal(
                "InvalidParameter.DataInspection",
                "The media format is not supported or incorrect for the data inspection.",
            )
        if not self._belongs(name, account, model):
            raise Refusal("InvalidParameter.DataInspection")
        return Reference(url=url, object_name=name)

    def path(self, name: str) -> Path:
        """Where the object of that name lies."""
        return self._folder / name

    def sweep(self) -> None:
        """Delete what is older than 48 h."""
        for path in self._folder.iterdir():
            with contextlib.suppress(
                FileNotFoundError
            ):  # an upload that ends just now takes its temporary file with it
                if self._clock() - path.stat().st_mtime > OBJECT_SECONDS:
                    path.unlink()

    def _terms(self, fields: dict[str, str]) -> dict[str, Any]:
        policy = fields.get("policy", "")
        if fields.get("OSSAccessKeyId") != ACCESS_KEY_ID:
            raise StoreRefusal(
                403,
                "InvalidAccessKeyId",
                "The OSS Access Key Id you provided does not exist in our records.",
            )
        if not self._signer.verify(policy, fields.get("Signature", "")):
            raise StoreRefusal(
                403,
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided.",
            )
        terms: dict[str, Any] = json.loads(base64.b64decode(policy))
        if self._clock() > terms["expires"]:
            raise StoreRefusal(403, "AccessDenied", "Invalid according to Policy: Policy expired.")
        return terms

    def _keep(self, name: str, content: IO[bytes]) -> None:
        with tempfile.NamedTemporaryFile(dir=self._folder) as arriving:
            shutil.copyfileobj(content, arriving)
            arriving.flush()
            try:
                (self._folder / name).hardlink_to(
                    arriving.name
                )  # unlike a rename, this never overwrites
            except FileExistsError as taken:
                raise StoreRefusal(
                    409,
                    "FileAlreadyExists",
                    "The object you specified already exists and can not be overwritten.",
                ) from taken

    def _keep_inline(self, url: str) -> Reference:
        head, _, encoded = url.partition(",")
        if not head.startswith("data:image/") or not head.endswith(";base64"):
            raise Refusal("InvalidURL")
        try:
            content = base64.b64decode(encoded, validate=True)
        except binascii.Error as broken:
            raise Refusal("InvalidURL", "The base64 data of the URL is invalid.") from broken
        name = hashlib.sha256(content).hexdigest()
        arriving = self.path(uuid.uuid4().hex)
        arriving.write_bytes(content)
        arriving.replace(self.path(name))  # it may be there, and be read
        return Reference(url=f"{head},{name}", object_name=name)

    def _belongs(self, name: str, account: str, model: str) -> bool:
        record = self._folder / f"{name}.json"
        if not record.exists():
            return False
        stored = StoredObject.model_validate_json(record.read_bytes())
        fresh = self._clock() - stored.created <= OBJECT_SECONDS
        return fresh and (stored.account, stored.model) == (account, model)
