"""Upload policies, the object store, and what may be done with an object."""

import base64
import json
import time
from pathlib import Path

import httpx
import pytest

from tests import plain_http
from tests.simulator.conftest import Client, Served, form, image_order
from wan.simulator.accounts import Signer
from wan.simulator.uploads import POLICY_SECONDS, ObjectStore, StoreRefusal

MODEL = "wan2.6-i2v-flash"
RESOLVE = {"X-DashScope-OssResourceResolve": "enable"}


@pytest.fixture
def picture(samples: Path) -> Path:
    return samples / "rocket.jpg"


def refused(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"].startswith("application/xml")
    return answer.status_code, answer.text.partition("<Code>")[2].partition("</Code>")[0]


def test_a_policy_is_as_documented(idle: Served, waiting: Client):
    policy = waiting.policy(MODEL)
    assert set(policy) == {
        *(
            "policy",
            "signature",
            "upload_dir",
            "upload_host",
            "expire_in_seconds",
            "max_file_size_mb",
            "capacity_limit_mb",
        ),
        *("oss_access_key_id", "x_oss_object_acl", "x_oss_forbid_overwrite"),
    }
    assert policy["upload_host"].startswith(idle.root)
    assert (policy["expire_in_seconds"], policy["max_file_size_mb"]) == (300, 100)
    for query in (
        {"action": "other", "model": MODEL},
        {"action": "getPolicy"},
        {"action": "getPolicy", "model": "none"},
    ):
        assert waiting.http.get("/api/v1/uploads", params=query).status_code in (400, 404)


def test_an_object_belongs_to_its_model_and_account(idle: Served, waiting: Client, picture: Path):
    url = waiting.uploaded(MODEL, picture)
    assert (
        waiting.create(image_order(url)).json()["code"] == "InvalidParameter.DataInspection"
    )  # the header is missing
    assert (
        idle.client().create(image_order(url), **RESOLVE).json()["code"]
        == "InvalidParameter.DataInspection"
    )
    other = waiting.uploaded("wan2.6-r2v", picture)
    assert (
        waiting.create(image_order(other), **RESOLVE).json()["code"]
        == "InvalidParameter.DataInspection"
    )
    assert waiting.create(image_order(url), **RESOLVE).status_code == 200


def test_nothing_is_overwritten(waiting: Client, picture: Path):
    policy = waiting.policy(MODEL)
    assert waiting.put(policy, picture)[1].status_code == 200
    assert refused(waiting.put(policy, picture)[1]) == (409, "FileAlreadyExists")
    assert waiting.put(policy, picture, "another.jpg")[1].status_code == 200


def test_the_file_comes_last(waiting: Client, picture: Path):
    policy = waiting.policy(MODEL)
    fields = [(name, (None, value)) for name, value in form(policy, "a.jpg").items()]
    file = ("file", ("a.jpg", picture.read_bytes()))
    late = plain_http.post(policy["upload_host"], files=[*fields[:-1], file, fields[-1]])
    assert refused(late) == (400, "MalformedPOSTRequest")
    assert plain_http.post(policy["upload_host"], files=[*fields, file]).status_code == 200
    assert refused(plain_http.post(policy["upload_host"], content=b"x")) == (
        400,
        "MalformedPOSTRequest",
    )


def test_only_what_the_policy_allows(waiting: Client, picture: Path):
    policy = waiting.policy(MODEL)
    assert refused(waiting.put(policy | {"upload_dir": "dashscope-instant/other"}, picture)[1]) == (
        403,
        "AccessDenied",
    )
    assert refused(waiting.put(policy | {"signature": "0" * 64}, picture)[1]) == (
        403,
        "SignatureDoesNotMatch",
    )
    assert refused(waiting.put(policy | {"oss_access_key_id": "nobody"}, picture)[1]) == (
        403,
        "InvalidAccessKeyId",
    )
    terms = json.loads(base64.b64decode(policy["policy"])) | {"expires": time.time() + 9999}
    longer = base64.b64encode(json.dumps(terms).encode()).decode()
    assert refused(waiting.put(policy | {"policy": longer}, picture)[1]) == (
        403,
        "SignatureDoesNotMatch",
    )


def test_policies_and_objects_expire(tmp_path: Path, picture: Path):
    now = time.time()
    store = ObjectStore(tmp_path / "objects", lambda: now, Signer(tmp_path))
    policy = store.policy("me", MODEL, "http://host/")
    fields = form(policy, "a.jpg")
    now += POLICY_SECONDS + 1
    with picture.open("rb") as file, pytest.raises(StoreRefusal, match="Policy expired"):
        store.put(fields, file)
    now -= POLICY_SECONDS
    with picture.open("rb") as file:
        store.put(fields, file)
    url = f"oss://{fields['key']}"
    assert (
        store.path(store.find(url, "me", MODEL, resolve=True).object_name).read_bytes()
        == picture.read_bytes()
    )
    now += 49 * 3600
    with pytest.raises(Exception, match="Unable to download"):
        store.find(url, "me", MODEL, resolve=True)
    store.sweep()
    assert not list((tmp_path / "objects").iterdir())


def test_files_over_the_limit_are_refused(tmp_path: Path, waiting: Client):
    large = tmp_path / "large.mp4"
    with large.open("wb") as file:
        file.truncate(100 * 2**20 + 1)
    assert refused(waiting.put(waiting.policy(MODEL), large)[1]) == (400, "EntityTooLarge")
