"""The page of one video: who gets it, what is on it, and that a link that was reset is dead."""

import asyncio
from dataclasses import replace
from urllib.parse import quote

import httpx
import pytest
from starlette.applications import Starlette

from tests import plain_http
from tests.pictures import picture
from tests.service.test_reviews import MADE
from tests.ui.test_cards import read
from wan.domain.requests import ImageToVideoRequest
from wan.environment.settings import load_settings
from wan.service.studio import Studio
from wan.web import video_page

SECRET = "no strangers in the hall"
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


def test_it_says_what_was_made_and_neither_price_nor_ids():
    paid = replace(
        MADE,
        currency="CNY",
        owner="the-owner",
        task_id="the-task",
        seed=4711,
        request={"prompt": EVIL, "size": "1280*720"},
    )
    html = video_page.show_video("en", paid).partition("<body")[2]
    assert "1280×720" in read(html)
    assert "seed 4711" in read(html)
    for secret in ("¥", "the-owner", "the-task", paid.id, "<script>alert", "<img src=x"):
        assert secret not in html, secret
    assert "<h1" in video_page.show_video("zh", replace(paid, request={"prompt": ""}))


@pytest.mark.process
@pytest.mark.anyio
async def test_whoever_has_the_link_watches_until_it_is_reset():
    async with Studio(load_settings()) as studio:
        request = ImageToVideoRequest(
            prompt="p", negative_prompt=SECRET, reference_image=picture((640, 480)), duration=2
        )
        began = await studio.submission.submit(request, owner="o")
        opened = asyncio.Event()
        opened.set()
        transport = httpx.ASGITransport(Starlette(routes=video_page.routes(studio, opened)))
        async with plain_http.AsyncClient(transport=transport, base_url="http://app") as client:
            assert (await client.get(f"/video/{began.video_link}")).status_code == 404, "not made"
            async for event in studio.watching.follow(began.id, owner="o"):
                job = event.job
            link = f"/video/{job.video_link}"
            page = await client.get(link, headers={"Accept-Language": "zh"})
            assert (page.status_code, page.headers["referrer-policy"]) == (200, "no-referrer")
            assert page.headers["cache-control"] == "private, no-store"
            assert page.headers["x-robots-tag"] == "noindex, nofollow"
            assert '<html lang="zh-CN"' in page.text
            assert job.media_token not in page.text + link  # it opens more than this page
            assert (await client.get(f"/video/{job.media_token}")).status_code == 404
            part = await client.get(f"{link}/video.mp4", headers={"Range": "bytes=4-7"})
            assert (part.status_code, part.content) == (206, b"ftyp")
            own = await studio.library.find_media(job.media_token, "video.mp4")
            whole = (await client.get(f"{link}/video.mp4")).content
            for told in (SECRET.encode(), job.id.encode(), str(job.seed).encode()):
                assert (told in own.read_bytes(), told in whole) == (True, False)
            assert "content-disposition" not in part.headers
            saved = await client.get(f"{link}/video.mp4?download")
            name = studio.file_names.of(job)
            assert name.endswith(f" p {job.seed}")
            said = f"attachment; filename*=utf-8''{quote(name)}.mp4"
            assert saved.headers["content-disposition"] == said
            assert (await client.get(f"{link}/original.mp4")).status_code == 404
            assert (await client.get(f"{link}/poster.webp")).headers["content-type"] == "image/webp"
            assert (await client.get(f"{link}/")).headers["location"].endswith(job.video_link)
            unknown = await client.get("/video/" + "x" * 32)
            assert "This video isn" in unknown.text
            anew = await studio.library.withdraw_links(job.id, owner="o")
            for path in (
                link,
                f"{link}/video.mp4",
                f"{link}/x",
                "/video",
                "/video/%00",
                "/video/字",
            ):
                answer = await client.get(path)
                assert (answer.status_code, answer.text) == (404, unknown.text), path
                assert answer.headers["cache-control"] == "private, no-store"
            assert (await client.get(f"/video/{anew.video_link}")).status_code == 200
            await studio.library.delete(job.id, owner="o")
            assert (await client.get(f"/video/{anew.video_link}")).status_code == 404
