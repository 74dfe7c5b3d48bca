"""What the files of a video are called."""

import pytest

from tests.ui.test_library import job
from wan.domain.catalog import FILM
from wan.domain.errors import SettingsError
from wan.domain.file_names import FileNames
from wan.domain.jobs import NAME_LIMIT
from wan.environment.settings import load_settings

ASKED = 1_771_400_000.0  # 2026-02-18 07:33:20 UTC
DAY = "2026-02-18"


def asked(prompt: str = "A quiet sea.", seed: int | None = None) -> dict:
    return {"prompt": prompt, "duration": 5, "size": "1280*720", "seed": seed}


def named(template: str | None = None, **changes) -> str:
    names = FileNames() if template is None else FileNames(template)
    return names.of(job(**{"created_at": ASKED, "seed": 7, "request": asked()} | changes))


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("", "A quiet sea 7"),
        ("Opening shot", "Opening shot - take 2 7"),
        ("开场镜头", "开场镜头 - take 2 7"),
        ("../../etc/passwd", "..-..-etc-passwd - take 2 7"),
        ('a: b? "c" <d>|*', "a- b- -c- -d- - take 2 7"),
        (" \u202e\u200b ", "A quiet sea 7"),
        ("Cafe\u0301", "Caf\u00e9 - take 2 7"),
    ],
)
def test_a_file_is_named_by_the_day_what_it_is_called_or_shows_and_its_seed(given, name):
    assert named(name=given, take=2) == f"{DAY} {name}"


@pytest.mark.parametrize(
    ("prompt", "first"),
    [
        ("She turns to the camera, laughs and waves at us.", "She turns to the camera, laughs"),
        ("Unbelievably extraordinary photographers' studios", "Unbelievably extraordinary"),
        ("她转过头来，" * 20, "她转过头来，" * 6 + "她转过头"),
        ("a/b\\c", "a-b-c"),
        ("", ""),
    ],
)
def test_the_first_words_of_a_prompt_are_short(prompt, first):
    words = [DAY, first, "7"] if first else [DAY, "7"]
    assert named(request=asked(prompt)) == " ".join(words)


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{id}", "job"),
        ("{model}_{seed}", "wan2.6-i2v-flash_7"),
        ("{time} {take} {id}", "073320 take 1 job"),
        ("-rf {seed}", "rf 7"),
        (".{seed}.", "7"),
    ],
)
def test_the_operator_says_what_names_are_made_of(template, name):
    assert named(template) == name


@pytest.mark.parametrize("device", ["aux", "NUL", "com1", "lpt²"])
def test_no_file_has_the_name_of_a_device(device):
    assert named("{prompt}.{seed}", request=asked(device)) == f"wan-{device}.7"


def code_of(name: str) -> str:
    return name.rpartition(" ")[2]


@pytest.mark.parametrize(
    ("template", "changes"),
    [
        (None, {"request": asked(seed=7)}),
        (None, {"model": FILM}),
        ("{title}", {}),
        ("{prompt}", {"request": asked("")}),
        (None, {"name": "👩" * NAME_LIMIT}),
        ("{id} {title}", {"name": "👩" * NAME_LIMIT}),
    ],
)
def test_names_that_could_be_alike_end_in_a_code_of_the_job(template, changes):
    one, other = (named(template, id=job_id, **changes) for job_id in ("one", "other"))
    assert code_of(one) != code_of(other)
    assert one == named(template, id="one", **changes)
    assert all(len(name.encode()) <= 170 for name in (one, other))
    assert all(len(code_of(name)) == 5 and name.isprintable() for name in (one, other))


def test_whoever_has_a_link_is_not_told_the_id():
    names, one = FileNames("{id} {title}"), job(request=asked())
    shown = names.of(one, to_others=True)
    assert names.of(one) == "job A quiet sea"
    assert "job" not in shown.split()
    assert len(code_of(shown)) == 5


def test_a_film_has_no_take_and_no_seed():
    assert named(model=FILM).startswith(f"{DAY} film ")
    assert named(model=FILM, name="Opening film v1").startswith(f"{DAY} Opening film v1 ")


@pytest.mark.parametrize(
    "template",
    [
        "always the same",
        "{date}/{seed}",
        "..\\{seed}",
        "{owner}",
        "{seed.__class__}",
        "{seed!r}",
        "{seed:>9999}",
        "{seed",
        "{}",
        "{seed}" + "x" * 100,
    ],
)
def test_a_template_that_names_no_file_is_refused_at_the_start(template, monkeypatch):
    monkeypatch.setenv("WAN_DOWNLOAD_NAME", template)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    said = str(refused.value)
    assert "WAN_DOWNLOAD_NAME" in said
    assert template[:10] in said
    assert "{date}, {time}, {title}, {prompt}, {take}, {seed}, {model}, {id}" in said
