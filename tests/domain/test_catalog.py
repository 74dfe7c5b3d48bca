"""Prices, by the worked examples of the price list."""

from decimal import Decimal

import pytest

from wan.domain import catalog
from wan.domain.catalog import MODELS


@pytest.mark.parametrize(
    ("model", "region", "size", "audio", "videos", "references", "amount", "billed"),
    [
        ("wan2.6-i2v-flash", "cn-beijing", "1280*720", True, (), 1, "1.5", 5),
        ("wan2.6-i2v-flash", "cn-beijing", "1280*720", False, (), 1, "0.75", 5),
        ("wan2.6-i2v-flash", "cn-beijing", "1080P", True, (), 1, "2.5", 5),
        ("wan2.6-i2v-flash", "ap-southeast-1", "720P", True, (), 1, "0.25", 5),
        ("wan2.6-r2v-flash", "cn-beijing", "1280*720", True, (10.0,), 1, "3.0", 10),
        ("wan2.6-r2v-flash", "cn-beijing", "1280*720", True, (10.0,), 2, "2.25", 7.5),
        ("wan2.6-r2v", "cn-beijing", "1920*1080", True, (10.0, 1.0, 3.0), 3, "9.3", 9.3),
        ("wan2.6-r2v", "cn-beijing", "1280*720", False, (), 5, "3.0", 5),
    ],
)
def test_price(model, region, size, audio, videos, references, amount, billed):
    price = catalog.price(
        MODELS[model],
        region=region,
        size=size,
        duration=5,
        audio=audio,
        videos=videos,
        references=references,
    )
    assert (price.amount, price.billed_seconds, price.exact) == (Decimal(amount), billed, True)


def test_the_length_of_a_url_is_not_known():
    price = catalog.price(
        MODELS["wan2.6-r2v-flash"],
        region="cn-beijing",
        size="1280*720",
        duration=5,
        audio=True,
        videos=(None,),
        references=1,
    )
    assert (price.billed_seconds, price.exact) == (10, False)


@pytest.mark.parametrize(
    ("model", "region", "size", "audio", "currency", "amount"),
    [  # as the price list and litellm have them, a second
        ("wan2.6-i2v-flash", "ap-southeast-1", "720P", True, "CNY", "0.366962"),
        ("wan2.6-i2v-flash", "ap-southeast-1", "1080P", True, "CNY", "0.550443"),
        ("wan2.6-r2v-flash", "ap-southeast-1", "720P", False, "CNY", "0.183481"),
        ("wan2.6-r2v", "ap-southeast-1", "1080P", True, "CNY", "1.100886"),
        ("wan2.6-r2v", "cn-beijing", "720P", True, "USD", "0.086012"),
        ("wan2.6-r2v", "cn-beijing", "1080P", True, "USD", "0.143353"),
        ("wan2.6-r2v", "cn-beijing", "1080P", True, "CNY", "1"),
        ("wan2.6-r2v", "ap-southeast-1", "1080P", True, "USD", "0.15"),
        ("wan2.6-r2v", "ap-southeast-1", "1080P", True, "", "0.15"),
    ],
)
def test_what_an_account_of_the_other_site_pays(model, region, size, audio, currency, amount):
    known = catalog.bill(
        MODELS[model], region=region, size=size, audio=audio, seconds=Decimal(1), currency=currency
    )
    assert round(known.amount, 6) == Decimal(amount)
    assert known.currency == (currency or "USD")


def test_a_region_without_prices():
    assert (
        catalog.price(MODELS["wan2.6-r2v"], region="", size="1280*720", duration=5, audio=True)
        is None
    )


def test_money_hides_nothing():
    assert [
        catalog.format_money(Decimal(amount), "CNY") for amount in ("1.5", "0.75", "0.125", "3")
    ] == [
        "¥1.50",
        "¥0.75",
        "¥0.125",
        "¥3.00",
    ]


def test_the_three_models_and_no_other():
    assert list(MODELS) == ["wan2.6-i2v-flash", "wan2.6-r2v-flash", "wan2.6-r2v"]
