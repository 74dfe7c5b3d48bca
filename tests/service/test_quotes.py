"""What an untouched form costs, before anybody asks: by every setting that has a say."""

import pytest

from wan.domain.catalog import IMAGE_TO_VIDEO
from wan.environment.settings import load_settings
from wan.service.studio import Studio

KEY = {"WAN_BACKEND": "dashscope", "DASHSCOPE_API_KEY": "sk-operator"}
SINGAPORE = {"DASHSCOPE_REGION": "ap-southeast-1"}
ELSEWHERE = {"DASHSCOPE_BASE_URL": "https://gateway.example/api/v1"}


@pytest.mark.parametrize(
    ("settings", "own_region", "price", "simulated"),
    [
        ({}, None, "¥1.50", True),
        ({}, "ap-southeast-1", "$0.25", False),
        (SINGAPORE, None, "$0.25", True),
        (KEY, None, "¥1.50", False),
        (KEY | SINGAPORE, None, "$0.25", False),
        (KEY | SINGAPORE, "cn-beijing", "¥1.50", False),
        (KEY | {"WAN_CURRENCY": "USD"}, None, "$0.215", False),
        (KEY | {"WAN_CURRENCY": "USD"}, "cn-beijing", "¥1.50", False),
        (KEY | ELSEWHERE, None, "None", False),
        (KEY | ELSEWHERE | SINGAPORE, None, "$0.25", False),
    ],
)
def test_the_settings_alone_say_what_a_run_costs(
    monkeypatch, settings, own_region, price, simulated
):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    about = {"size": "1280*720", "duration": 5, "audio": True, "own_region": own_region}
    quote = Studio(load_settings()).quotes.estimate(model=IMAGE_TO_VIDEO, **about)
    assert (str(quote.price), quote.simulated) == (price, simulated)
