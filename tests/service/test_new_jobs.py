"""Which request is the one that an earlier video was made from."""

import pytest

from tests.database.test_store import job
from tests.pictures import picture
from wan.domain.requests import ImageToVideoRequest, ReferenceToVideoRequest
from wan.service.new_jobs import is_same_brief

CROPPED = {"crop_x": 0.2, "zoom": 2.0}


def framed(**framing):
    request = ImageToVideoRequest(reference_image=picture((64, 48)), **framing).to_json()
    return job(request=request, model=request["model"])


@pytest.mark.parametrize("framing", [CROPPED, {"fit": "pad", "pad_color": "#ffffff"}])
def test_a_frame_that_is_put_back_to_usual_is_another_brief(framing):
    usual = framed(**{name: value for name, value in framing.items() if name == "fit"})
    assert is_same_brief(framed(**framing), framed(**framing))
    assert not is_same_brief(usual, framed(**framing))
    assert not is_same_brief(framed(**framing), usual)


def test_what_an_older_request_has_not_is_as_usual():
    older = framed()
    for name in ("fit", "fps"):
        del older.request[name]
    assert is_same_brief(framed(), older)
    assert is_same_brief(framed(), framed(seed=7))
    assert not is_same_brief(framed(seed=7), framed(seed=7)), "one video is asked for, not another"
    assert not is_same_brief(framed(fps=24), older)


def test_references_in_another_order_are_another_brief():
    def ordered(*kinds):
        request = ReferenceToVideoRequest(
            prompt="character1 waves to character2",
            reference_video=[b"a video"],
            reference_image=[picture((64, 48))],
            reference_order=kinds,
        ).to_json()
        return job(request=request, model=request["model"])

    assert is_same_brief(ordered(), ordered("video", "image"))
    assert not is_same_brief(ordered(), ordered("image", "video"))
    assert not is_same_brief(ordered("image", "video"), ordered())
