"""The HTML of the library, what goes back into the forms, and what its events make of what a page
sends.
"""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from tests.ui.test_cards import read
from wan.domain.catalog import FILM
from wan.domain.jobs import CHOSEN_LIMIT, Job, JobEvent, JobPage, JobState, Reference, Spent
from wan.domain.messages import Message
from wan.ui import library, reuse_settings
from wan.ui.components import library as html

EVIL = '"><img src=x onerror=alert(1)>'
NOW = 1_800_000_000.0


def job(**changes) -> Job:
    values = {
        "id": "job",
        "owner": "somebody",
        "account": "account",
        "backend": "dashscope",
        "base_url": "",
        "region": "cn-beijing",
        "workspace": "",
        "model": "wan2.6-i2v-flash",
        "due_at": None,
        "brief_id": "brief",
        "created_at": NOW,
        "state_at": NOW,
        "media_token": "token",
        "request": {
            "prompt": "A quiet sea.",
            "duration": 5,
            "size": "1280*720",
            "seed": None,
            "fps": None,
        },
        "amount": Decimal("1.5"),
        "currency": "CNY",
    }
    return Job(**values | changes)


def event(one: Job) -> JobEvent:
    return JobEvent(job=one, message=Message.of("running"), elapsed=4.0, expected=10.0)


DONE = job(
    state=JobState.SUCCEEDED,
    spent=Spent.YES,
    video_key="v",
    poster_key="p",
    duration=5.0,
    started_at=NOW + 1,
    submitting_at=NOW + 3,
    submitted_at=NOW + 4,
    running_at=NOW + 10,
    fetching_at=NOW + 40,
    ended_at=NOW + 42,
    adjustments=[Message.of("image_upright")],
    references=[Reference(kind="image", sha256="a", key="k", sent_key="k", width=640, height=480)],
)


@pytest.mark.parametrize("field", ["prompt", "negative_prompt"])
def test_what_people_wrote_is_never_html(field):
    evil = replace(
        DONE,
        request=DONE.request | {field: EVIL},
        task_id=EVIL,
        code=EVIL,
        name=EVIL,
        project=EVIL,
        references=[Reference(kind="image", url=f"https://a.com/{EVIL}")],
    )
    shown = html.show_job("en", event(evil)) + html.show_page(
        "en", JobPage([evil, replace(evil, poster_key="")], 2, True, 0, [EVIL]), 0, 24, None
    )
    shown += html.show_page("en", JobPage([], 0, True, 0), 0, 24, None, project=EVIL)
    assert "<img src=x" not in shown
    assert "&lt;img src=x" in shown


def test_a_page_says_where_it_is_and_where_the_others_are():
    first = html.show_page("en", JobPage([DONE] * 24, 2000, True, 1), 0, 24, None)
    assert 'data-going="1"' in first
    assert f'data-until="{NOW!r}"' in first
    assert "1–24 of 2,000" in first
    assert 'data-offset="0" disabled' in first
    assert 'data-offset="24">O' in first
    last = html.show_page("en", JobPage([DONE] * 8, 2000, True, 0), 1992, 24, NOW)
    assert "1,993–2,000 of 2,000" in last
    assert 'data-offset="2016" disabled' in last


@pytest.mark.parametrize(
    ("ended", "shown", "offers", "said"),
    [
        (2, [DONE, DONE, job(state=JobState.RUNNING)], False, "Select all 2"),
        (3, [DONE, DONE, job(state=JobState.RUNNING)], True, "Select all 3"),
        (1234, [DONE] * 24, True, f"Select the newest {CHOSEN_LIMIT}"),
    ],
)
def test_the_button_names_as_many_as_it_chooses(ended, shown, offers, said):
    page = JobPage(shown, 2000, True, 1, ended=ended)
    button = html.show_page("en", page, 0, 24, None).split('data-event="choose_all"')[1]
    assert ("data-more" in button.split(">")[0]) is offers
    assert said in read(button.split("</button>")[0])


def test_one_part_of_the_library_is_current_and_the_star_is_a_switch():
    page = JobPage([DONE], 1, True, 0, ["Spring"], 1)
    for project in (None, "Spring", ""):
        shown = html.show_page("en", page, 0, 24, None, project=project, starred=True)
        scopes = shown.split('"wan-scopes"')[1].split("<datalist")[0]
        assert (scopes.count("aria-current"), scopes.count("aria-pressed")) == (1, 1)
        assert scopes.index('role="group"') < scopes.index("</div>") < scopes.index("aria-pressed")


def test_an_empty_page_says_why():
    assert "No videos yet" in html.show_page("en", JobPage([], 0, False, 0), 0, 24, None)
    assert "No results" in html.show_page("en", JobPage([], 0, True, 0), 0, 24, None)
    assert 'data-offset="0"' in html.show_page(
        "en", JobPage([], 3, True, 0), 24, 24, NOW
    )  # the last page has gone: the first is still there


def test_a_card_shows_its_still_or_its_prompt_and_only_a_video_can_be_chosen():
    film, running = (
        html.show_page("en", JobPage([DONE], 1, 1, 0), 0, 24, None),
        html.show_page("en", JobPage([job(state=JobState.RUNNING)], 1, 1, 1), 0, 24, None),
    )
    assert 'src="media/token/poster.webp"' in film
    assert "data-choose" in film
    assert "A quiet sea." in running
    assert "wan-item-length" in film
    assert "wan-item-length" not in running  # there is no video yet that could have a length
    assert "<img" not in running
    assert "data-choose" not in running


COSTS = [
    (DONE, "¥1.50"),
    (replace(DONE, backend="simulator"), "free in demo mode"),
    (job(state=JobState.FAILED, spent=Spent.NO), "not charged"),
    (job(state=JobState.EXPIRED, spent=Spent.MAYBE), "possibly ¥1.50"),
    (job(state=JobState.RUNNING), "up to ¥1.50 if it succeeds"),
    (replace(DONE, amount=None), "Price unknown for this region"),
]


@pytest.mark.parametrize(("one", "said"), COSTS)
def test_what_it_cost_is_said(one, said):
    assert said in read(
        html.show_job("en", event(one)).split('"wan-job-cost">')[1].split("</p>")[0]
    )


def test_a_prompt_that_may_have_to_be_scrolled_is_reached_by_the_keyboard():
    assert "tabindex" not in html.show_job("en", event(DONE))
    assert '<p class="wan-job-prompt" translate="no" tabindex="0">' in html.show_job(
        "en", event(replace(DONE, request=DONE.request | {"prompt": "a" * 400}))
    )


def test_the_timeline_has_the_real_seconds():
    keys = [
        "step_line",
        "step_uploading",
        "step_sending",
        "step_waiting",
        "step_making",
        "step_fetching",
    ]
    assert html.durations(event(DONE)) == list(zip(keys, [1, 2, 1, 6, 30, 2], strict=True))
    going_on = job(
        state=JobState.PENDING, started_at=NOW + 1, submitted_at=NOW + 2, state_at=NOW + 2
    )
    assert html.durations(event(going_on)) == [
        ("step_line", 1),
        ("step_uploading", 1),
        ("step_waiting", 4),
    ]


def test_what_can_be_done_depends_on_the_state():
    done, running, failed = (
        html.show_job("en", event(one))
        for one in (DONE, job(state=JobState.RUNNING), job(state=JobState.FAILED))
    )
    assert all(
        f'data-event="{act}"' in done for act in ("use", "again", "frame", "bundle", "delete")
    )
    assert 'data-act="ask"' in done
    assert 'data-act="ask"' not in running
    assert 'data-event="watch"' in running
    assert 'data-event="frame"' not in failed
    film = html.show_job("en", event(replace(DONE, model=FILM, payload={"shots": []})))
    for shares in (done, film):
        assert 'data-add="job"' in shares
        assert 'data-copy="link"' in shares
        assert 'data-link="video/token"' in shares
        assert 'data-event="withdraw"' in shares.split("<summary")[1], "asks first"
    for none in (running, failed):
        assert "data-link" not in none
        assert 'data-event="withdraw"' not in none


def test_settings_go_back_into_the_form_that_made_them(tmp_path):
    asked = DONE.request | {"fps": 24, "motion_strength": None, "fit": "pad"}
    given = reuse_settings.make_form_values(
        "image", asked, 7, [("image", tmp_path / "a.jpg"), ("audio", tmp_path / "b.wav")]
    )
    assert (given["seed"], given["fps"], given["fit"], given["url"]) == ("7", "24", "pad", "")
    assert (given["shape"], given["quality"], given["zoom"]) == ("16:9", "720P", 1)
    assert (given["motion_on"], given["motion_strength"], given["image"]) == (
        False,
        0.5,
        str(tmp_path / "a.jpg"),
    )
    assert given["sound_file"] == str(tmp_path / "b.wav")
    address = reuse_settings.make_form_values(
        "image",
        asked | {"motion_strength": 0.2},
        7,
        [("image", "https://example.com/a.png"), ("audio", tmp_path / "b.wav")],
    )
    assert (address["motion_on"], address["motion_strength"]) == (True, 0.2)
    assert (address["image"], address["url"], address["sound_file"]) == (
        None,
        "https://example.com/a.png",
        str(tmp_path / "b.wav"),
    )
    forged = reuse_settings.make_form_values(
        "image", asked, 7, [("audio", "https://example.com/a.wav")]
    )  # in a video of anybody's: no form fetches it
    assert (forged["image"], forged["url"], forged["sound_file"]) == (None, "", None)
    mixed = [
        ("video", Path("/u/a.mp4")),
        ("image", "https://example.com/a.png"),
        ("image", "https://example.com/b.png"),
    ]
    several = reuse_settings.make_form_values("reference", DONE.request, 7, mixed)
    assert several["files"] == ["/u/a.mp4"]
    assert several["urls"] == "https://example.com/a.png\nhttps://example.com/b.png"


def test_a_sound_is_among_what_a_job_was_made_from():
    made_from = [
        Reference(kind="image", sha256="a" * 64, width=640, height=480),
        Reference(kind="audio", sha256="b" * 64, seconds=4.25),
    ]
    shown = html.show_job("en", event(replace(DONE, references=made_from)))
    assert "640×480" in shown
    assert "audio" in shown
    assert "4.2 s" in shown
    assert "0×0" not in shown


PLACES = [
    ({}, (0, None)),
    ({"offset": "24", "until": "1.5"}, (24, 1.5)),
    ({"offset": "x"}, (0, None)),
    ({"offset": "-5", "until": ""}, (0, None)),
    ({"offset": "24", "until": "x"}, (0, None)),
    ({"offset": "9" * 5000}, (0, None)),
]


@pytest.mark.parametrize(("carried", "place"), PLACES)
def test_a_page_that_no_page_asked_for_is_the_first(carried, place):
    assert library.Place.model_validate(carried).read() == place


def test_how_far_a_film_is_never_says_it_is_done_before_it_is():
    assert "99 %" in html.show_progress("en", 0.999)
