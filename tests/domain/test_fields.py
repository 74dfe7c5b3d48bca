"""The table of request fields says what the request models do, and names texts that exist."""

import pytest

from wan.domain.fields import FIELDS, FIRST_PARAMETERS, fields_of, label_of
from wan.domain.messages import LOCALES
from wan.domain.requests import ImageToVideoRequest, ReferenceToVideoRequest
from wan.domain.validation import allowed_texts

KINDS = {"image": ImageToVideoRequest, "reference": ReferenceToVideoRequest}


@pytest.mark.parametrize(("makes", "kind"), KINDS.items())
def test_every_field_has_one_row_and_no_row_is_left_over(makes, kind):
    names = [row.name for row in fields_of(makes)]
    assert sorted(names) == sorted(
        name for name in kind.model_fields if not name.startswith("reference_")
    )


@pytest.mark.parametrize(("makes", "kind"), KINDS.items())
def test_rows_say_what_the_models_check(makes, kind):
    schemas = kind.model_json_schema()["properties"]
    for row in fields_of(makes):
        known = kind.model_fields[row.name]
        required = row.name == "prompt" and known.is_required()
        assert row.default == ("" if required else known.default), row.name
        assert row.is_switch == (schemas[row.name].get("type") == "boolean"), row.name
        assert row.longest == schemas[row.name].get("maxLength", 0), row.name
        if row.name == "model":  # of which each command completes all
            assert set(allowed_texts(known)) <= set(row.choices)
        else:
            assert tuple(row.choices) == allowed_texts(known), row.name


def test_every_field_has_a_label_and_a_meaning():
    for row in FIELDS:
        keys = {row.label_key, row.placeholder, row.refusal, *row.choices.values()} - {""}
        assert keys <= set(LOCALES["en"]), row.name
        assert row.about.endswith((".", "…")), row.name
        assert label_of(row.name) == row.label_key
    assert label_of("reference_video + reference_image") == "references"
    assert label_of("wait") is None


def test_each_fixed_parameter_is_a_field():
    assert set(FIRST_PARAMETERS) <= {row.name for row in FIELDS}
    assert len(set(FIRST_PARAMETERS)) == len(FIRST_PARAMETERS)
