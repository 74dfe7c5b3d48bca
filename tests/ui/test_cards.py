"""The cards: everything is escaped, and each state says what it must."""

import dataclasses
import re
from decimal import Decimal

import pytest

from wan.domain.catalog import Price
from wan.domain.errors import InvalidInput
from wan.domain.jobs import LIVE, Job, JobEvent, JobState, Spent
from wan.domain.messages import LOCALES, Message, t
from wan.ui.components.cast import Tile, show_cast
from wan.ui.components.lines import answer_of
from wan.ui.components.price import price_line
from wan.ui.components.stage import show_idle, show_job, show_takes
from wan.ui.components.status import describe_take, ready, refusal_card
from wan.ui.takes import Mark
from wan.web.facts import as_clock

EVIL = "<script>alert('x')</script>\"&"
ENDED_BADLY = [JobState.FAILED, JobState.CANCELLED, JobState.EXPIRED]


def event(state: JobState, **more) -> JobEvent:
    """A job in a state, with whatever else is given."""
    expected = {name: more.pop(name) for name in ("elapsed", "expected") if name in more}
    values = {field.name: None for field in dataclasses.fields(Job)} | {
        "id": "job-1",
        "backend": "dashscope",
        "model": "wan2.6-i2v-flash",
        "state": state,
        "request": {"prompt": "A quiet sea."},
        "references": [],
        "adjustments": [],
        "spent": Spent.NO,
        "seed": 4711,
        "created_at": 1.0,
        "state_at": 2.0,
        "amount": Decimal("1.50"),
        "currency": "CNY",
        "media_token": "token",
        "cancel_wanted": False,
        "take": 1,
        "name": EVIL,
    }
    job = Job(**values | more)
    return JobEvent(
        job=job, message=Message.of("pending"), **{"elapsed": 42.0, "expected": 75.0} | expected
    )


def test_a_job_that_waits_for_its_key_leads_to_where_it_is_typed_and_claims_nothing_else():
    waiting = Message.of("waits_for_key_until", time="2026-12-01 08:00")
    seen = event(JobState.RUNNING, said=waiting)
    html = show_job("en", dataclasses.replace(seen, message=waiting))
    assert "data-connect" in html
    assert "keeps the result until 2026-12-01 08:00 UTC" in read(html)
    for key in ("goes_on", "checked_now_and_then", "cannot_stop_unpriced"):
        assert t("en", key) not in read(html)
    assert "data-connect" not in show_job("en", event(JobState.RUNNING))


def read(html: str) -> str:
    """What people read of it."""
    return re.sub("<[^>]*>", "", html)


@pytest.mark.parametrize("state", list(JobState))
def test_every_state_escapes_what_people_and_the_service_wrote(state):
    said = Message.of("task_failed", code=EVIL, message=EVIL, advice=EVIL)
    shown = show_job(
        "en",
        event(
            state,
            request={"prompt": EVIL},
            task_id=EVIL,
            request_id=EVIL,
            code=EVIL,
            said=said,
            adjustments=[said],
        ),
    )
    assert "<script" not in shown
    assert "x')</script>\"" not in shown


def test_cast_and_refusal_escape_names():
    said = Message.of("image_kind", field=EVIL, given=EVIL)
    shown = show_cast(
        "en",
        [
            Tile("image", EVIL, b"webp", [said]),
            Tile("video", EVIL),
            Tile("refused", EVIL, notes=[said]),
        ],
    )
    assert "<script" not in shown
    assert "character2" in shown
    assert "character3" not in shown
    why = Message.of("field_type", field="prompt", given=EVIL, allowed="text")
    assert "<script" not in show_idle("en", "image", refusal_card(why, EVIL))


@pytest.mark.parametrize("state", list(JobState))
def test_every_state_has_a_title_in_both_languages(state):
    for language, other in (("en", "zh"), ("zh", "en")):
        shown = show_job(language, event(state))
        assert f">{t(language, f'title_{state}')}</strong>" in shown
        assert f">{t(other, f'title_{state}')}<" not in shown


@pytest.mark.parametrize(
    ("state", "button"),
    [(JobState.QUEUED, "cancel"), (JobState.UPLOADING, "cancel"), (JobState.PENDING, "cancel")],
)
def test_what_is_free_to_cancel_offers_it(state, button):
    assert f'data-press="{button}"' in show_job("en", event(state))


@pytest.mark.parametrize("state", [JobState.RUNNING, JobState.FETCHING, JobState.UNCERTAIN])
def test_what_cannot_be_cancelled_offers_no_cancel(state):
    assert 'data-press="cancel"' not in show_job("en", event(state))


def test_running_says_what_it_costs_and_what_is_expected():
    shown = show_job("en", event(JobState.RUNNING))
    assert "you pay up to ¥1.50 if it succeeds" in read(shown)
    assert 'data-elapsed="42.0" data-expected="75.0"' in shown
    assert "of about 1:15" in shown


@pytest.mark.parametrize("state", list(JobState))
def test_what_is_polled_now_and_then_says_that_it_may_be_a_little_old(state):
    polled = state in (JobState.PENDING, JobState.RUNNING)
    assert ("can be a little behind" in read(show_job("en", event(state)))) is polled
    assert "can be a little behind" not in show_job("en", event(state, backend="simulator"))


def test_a_simulated_run_never_speaks_of_a_charge():
    for state in JobState:
        assert "¥" not in show_job("en", event(state, backend="simulator"))


@pytest.mark.parametrize("state", list(JobState))
def test_only_a_live_job_is_marked_live(state):
    assert (" data-live" in show_job("en", event(state))) == (state in LIVE)


@pytest.mark.parametrize("state", ENDED_BADLY)
def test_a_bad_end_says_why_and_offers_another_try_with_its_price(state):
    shown = show_job("en", event(state, said=Message.of("never_arrived"), request_id="r-1"))
    assert "charged. Generate again." in shown
    assert "<details" in shown
    assert "r-1" in shown
    assert "¥1.50" in shown[shown.index('data-press="retry"') :]


def test_a_doubtful_end_warns_before_another_try():
    doubtful = event(JobState.EXPIRED, said=Message.of("never_confirmed"), spent=Spent.MAYBE)
    assert 'data-press="retry"' in show_job("en", doubtful)
    asked = show_job("en", doubtful, asks=Message.of("may_pay_twice"))
    assert "may be charged twice" in asked
    assert 'data-press="sure"' in asked
    assert 'data-press="retry"' not in asked


def test_a_video_that_came_after_all_is_shown_in_place_of_the_question():
    came = event(JobState.SUCCEEDED, spent=Spent.YES)
    assert describe_take(came, Mark.ASKS).look == "video"


def test_a_new_take_says_what_it_costs():
    assert "New take · ¥1.50" in read(show_job("en", event(JobState.SUCCEEDED)))
    free = show_job("en", event(JobState.SUCCEEDED, backend="simulator"))
    assert "New take</button>" in free


def test_takes_beyond_those_that_fit_are_said_to_be_in_the_library():
    four = [(event(JobState.SUCCEEDED, take=number), Mark.NONE) for number in (2, 3, 4, 5)]
    assert "the others are in the Library" in show_takes("en", four)
    assert "Library" not in show_takes("en", four[:3])


@pytest.mark.parametrize(
    ("back", "said"),
    [(0, "will play here"), (1, "Back to your video<"), (3, "Back to your videos<")],
)
def test_the_way_back_says_how_many_there_are(back, said):
    assert said in show_idle("en", "image", ready(simulated=True), back=back)


def test_done_shows_video_facts_and_adjustments():
    adjusted = [Message.of("fps_conformed", given=30, fps=24)]
    measured = {
        "width": 1280,
        "height": 720,
        "fps": 24.0,
        "duration": 5.0,
        "poster_key": "p",
        "adjustments": adjusted,
        "name": "",
    }
    shown = show_job("en", event(JobState.SUCCEEDED, **measured))
    assert (
        'src="media/token/video.mp4" poster="media/token/poster.webp" controls playsinline '
        'preload="metadata"' in shown
    )
    for fact in (
        "1280×720",
        "24 fps",
        "5.0 s",
        "seed 4711",
        "¥1.50",
        "converted to 24 fps",
    ):
        assert fact in read(shown)
    assert 'href="media/token/video.mp4?download" download>' in shown


def test_only_adjustments_that_make_a_difference_are_shown_and_sizes_have_their_sign():
    adjusted = [
        Message.of("image_cropped", given="512*512", size="1280*720"),
        Message.of("size_as_tier", size="1280*720", tier="720P"),
        Message.of("heif_converted"),
    ]
    made = {"width": 1280, "height": 720, "adjustments": adjusted}
    as_asked = event(JobState.SUCCEEDED, request={"prompt": "p", "size": "1280*720"}, **made)
    for show in (show_job, lambda language, one: show_takes(language, [(one, Mark.NONE)] * 2)):
        shown = read(show("en", as_asked))
        assert "Your image (512×512) was cropped to 1280×720." in shown
        assert "720P" not in shown
        assert "HEIC" not in shown
    another = event(JobState.SUCCEEDED, request={"prompt": "p", "size": "1920*1080"}, **made)
    assert "Rendered at 720P" in read(show_job("en", another))


def test_a_card_says_one_thing_once_and_shows_no_steps_before_anything_runs():
    assert "wan-steps" not in show_idle("en", "image", ready(simulated=True))
    for state in (JobState.QUEUED, JobState.PENDING, JobState.RUNNING):
        said = {"queued": {"ordinal": "2nd", "place": 2}}.get(state.lower(), {})
        live = dataclasses.replace(event(state), message=Message.of(state.lower(), **said))
        shown = read(show_job("en", live))
        assert shown.count(t("en", f"title_{state}")) == 1
        assert shown.count("You can close this page") == 1
        several = read(show_takes("en", [(live, Mark.NONE)] * 4))
        assert several.count("You can close this page") == 1


def test_a_video_offers_what_one_does_next_alone_as_among_others():
    done = event(JobState.SUCCEEDED, video_key="v", width=720, height=1280)
    verbs = [["retry", "frame", "use", "withdraw"], ["job-1"], ["link"]]
    for shown in (show_job("en", done), show_takes("en", [(done, Mark.NONE)] * 3)):
        first = shown.partition("</section>")[0]
        marks = ("press", "add", "copy")
        assert [re.findall(rf'data-{mark}="([\w-]+)"', first) for mark in marks] == verbs
        assert 'data-link="video/token"' in first
        assert "loop data-plays" in first
        assert 'style="--shape:720/1280' in shown
        assert "data-tall" in shown
    assert "data-hear" not in show_job("en", event(JobState.SUCCEEDED, has_audio=False))


@pytest.mark.parametrize(
    ("html", "kept"),
    [
        (
            show_job("en", event(JobState.SUCCEEDED, task_id="task-1", width=1, height=2)),
            ["4711", "¥1.50", "1×2", "task-1", "job-1"],
        ),
        (
            show_job("en", event(JobState.RUNNING, task_id="task-1")),
            ["0:42", "¥1.50", "A quiet sea.", "task-1"],
        ),
        (show_job("en", event(JobState.FAILED)), ["¥1.50", "A quiet sea."]),
        (
            price_line(
                "en", Price(Decimal("1.5"), "CNY", 5.0), (60, 120), simulated=False, takes=2
            ),
            ["¥3.00", "¥1.50"],
        ),
        (answer_of("en", Message.of("cancel_late", price="¥7.00")), ["¥7.00"]),
    ],
)
def test_a_translator_leaves_ids_prompts_and_prices_alone(html, kept):
    marked = re.findall(r'translate="no"[^>]*>([^<]*)<', html)
    assert set(kept) <= set(marked)
    assert not [price for price in re.findall(r"¥\d[\d.]*", read(html)) if price not in marked]


@pytest.mark.parametrize("mark", list(Mark))
@pytest.mark.parametrize("state", list(JobState))
def test_takes_escape_what_people_wrote_and_each_button_names_its_job(state, mark):
    several = [
        (event(state, id=f"job-{number}", request={"prompt": EVIL}, task_id=EVIL, code=EVIL), mark)
        for number in (1, 2)
    ]
    shown = show_takes("en", several, note=Message.of("cancel_over"))
    assert "<script" not in shown
    assert shown.count('<section class="wan-take ') == 2
    tile = shown.partition("wan-take ")[2].partition("</section>")[0]
    assert tile.count("data-press=") == tile.count('data-job="job-1"')


def test_the_card_of_several_takes_counts_them_and_what_they_cost():
    made = event(JobState.SUCCEEDED, spent=Spent.YES, adjustments=[Message.of("image_flattened")])
    failed, making = event(JobState.FAILED), event(JobState.RUNNING)
    shown = show_takes(
        "en", [(made, Mark.NONE), (failed, Mark.NONE), (making, Mark.NONE), (made, Mark.BEFORE)]
    )
    for words in (
        "2 of 4 done",
        "1 failed.",
        "1 in progress.",
        "Total up to ¥3.00.",
        "made before, not charged now",
    ):
        assert words in read(shown)
    assert 'data-choose="compare"' in shown
    assert shown.count("filled with white") == 1, "what was adjusted in all is said once"
    assert ' data-live data-told="2/3"' in shown or ' data-told="2/3" data-live' in shown
    over = show_takes("en", [(made, Mark.NONE), (failed, Mark.NONE)])
    assert "Total ¥1.50." in read(over)
    assert "data-live" not in over
    assert "data-choose" not in over
    waiting = show_takes("en", [(event(JobState.PENDING), Mark.NONE)] * 2)
    assert "Cancel all" in waiting
    assert "Total" not in show_takes("en", [(event(JobState.PENDING, amount=None), Mark.NONE)] * 2)


PRICE = Price(Decimal("1.5"), "CNY", 5.0)


@pytest.mark.parametrize(("simulated", "how"), [(True, "run"), (False, "fill")])
def test_a_sample_is_only_made_at_one_click_where_it_is_free(simulated, how):
    shown = show_idle("en", "image", ready(simulated=simulated))
    assert f'data-sample="{how}" data-tab="image"' in shown


@pytest.mark.parametrize(
    ("price", "simulated", "said"),
    [
        (PRICE, False, ["¥6.00 for 4 takes (¥1.50 each)", "¥6.00（共 4 条，每条 ¥1.50）"]),
        (
            PRICE,
            True,
            [
                "Free in demo mode",
                "¥6.00 for 4 takes (¥1.50 each) with a key",
                "使用 Key 时 ¥6.00（共 4 条，每条 ¥1.50）",
            ],
        ),
        (
            dataclasses.replace(PRICE, exact=False),
            False,
            ["up to ¥6.00 for 4 takes (¥1.50 each)", "最多 ¥6.00（共 4 条，每条 ¥1.50）"],
        ),
        (None, False, ["Price unknown"]),
    ],
)
def test_price_line_of_several_takes(price, simulated, said):
    lines = (
        price_line(language, price, (60, 120), simulated=simulated, takes=4) for language in LOCALES
    )
    shown = read(" ".join(lines))
    for words in said:
        assert words in shown


@pytest.mark.parametrize(
    ("price", "usual", "simulated", "said"),
    [
        (PRICE, (60, 120), False, ["¥1.50", "usually 1–2 min", "通常 1–2 分钟"]),
        (PRICE, (6, 12), True, ["Free in demo mode", "¥1.50 with a key", "usually 6–12 s"]),
        (
            dataclasses.replace(PRICE, exact=False),
            (60, 300),
            False,
            ["up to ¥1.50", "usually 1–5 min"],
        ),
        (None, (60, 60), False, ["Price unknown", "usually 1 min"]),
    ],
)
def test_price_line(price, usual, simulated, said):
    lines = (price_line(language, price, usual, simulated=simulated) for language in LOCALES)
    shown = read(" ".join(lines))
    for words in said:
        assert words in shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00"), (42, "0:42"), (75.2, "1:15"), (3723, "1:02:03")]
)
def test_clock(seconds, shown):
    assert as_clock(seconds) == shown


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (
            InvalidInput("prompt", "prompt_missing", high=1500),
            ["Prompt is empty", "提示词：内容为空"],
        ),
        (
            InvalidInput("title", "text_long", given=324, high=200),
            ["Title has 324 characters", "标题：共 324 个字符"],
        ),
        (
            InvalidInput("reference_image", "image_missing"),
            ["Reference image: add one JPEG", "参考图片：请添加"],
        ),
        (
            InvalidInput("reference_video", "references_missing", high=5),
            ["References: add 1 to 5", "参考素材：请添加"],
        ),
        (
            InvalidInput("reference_video + reference_image", "references_many", given=6, high=5),
            ["Reference videos and images: 6 is too many"],
        ),
        (
            InvalidInput("motion_strength", "motion_range", given=2),
            [
                "Motion strength must be a number from 0 to 1 (got 2)",
                "运动强度：须为 0 到 1 之间的数（当前值：2）",
            ],
        ),
    ],
)
def test_the_page_calls_a_field_by_its_label(refusal, said):
    card = refusal_card(refusal.message, refusal.field)
    shown = "".join(show_idle(language, "image", card) for language in LOCALES)
    for words in said:
        assert words in shown
    assert "input." not in shown
    assert f'data-field="{refusal.field}"' in shown
