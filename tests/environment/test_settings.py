"""Where the key comes from, what is no key, and when a key must not be used."""

import os
import re
from pathlib import Path

import pytest

from tests.blocking import Store
from tests.environment.test_passwords import BY_OPENSSL as HASHED
from wan.domain.errors import InvalidInput, SettingsError
from wan.environment.settings import Settings, load_settings
from wan.environment.values import clean_value
from wan.storage.objects import Storage


@pytest.fixture(autouse=True)
def _automatic(monkeypatch):
    monkeypatch.delenv("WAN_BACKEND")


def _credentials(text: str | bytes) -> Path:
    path = Path("~/.alibabacloud/credentials").expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_without_a_key_the_simulator_serves():
    assert load_settings().backend == "simulator"


def test_the_environment_wins_over_the_credentials_file(monkeypatch):
    _credentials("[default]\ndashscope_api_key = sk-from-file\n")
    assert load_settings().key() == "sk-from-file"
    monkeypatch.setenv("DASHSCOPE_API_KEY", " sk-from-env\n")
    settings = load_settings()
    assert (settings.key(), settings.backend) == ("sk-from-env", "dashscope")
    assert "sk-from-env" not in f"{settings!r} {settings.connection()!r} {settings.model_dump()}"


@pytest.mark.parametrize(
    "text",
    [
        "[default]\nother = 1\n",
        "[other]\ndashscope_api_key = sk-other\n",
        "[default]\ndashscope_api_key =\n",
    ],
)
def test_a_credentials_file_without_the_entry(text):
    _credentials(text)
    assert load_settings().key() is None


def test_what_is_no_key_is_named_by_where_it_stands(monkeypatch):
    _credentials("[default]\ndashscope_api_key = hello\n")
    with pytest.raises(SettingsError, match=r"^~/.alibabacloud/credentials: this isn't an API key"):
        load_settings()
    monkeypatch.setenv("DASHSCOPE_API_KEY", "hello")
    with pytest.raises(SettingsError, match=r"^DASHSCOPE_API_KEY: this isn't an API key"):
        load_settings()


@pytest.mark.parametrize(
    ("field", "given", "said"),
    [
        ("WAN_BACKEND", "foo", "auto, dashscope or simulator"),
        ("DASHSCOPE_BASE_URL", "notaurl/api/v1", "a URL that starts with https://"),
        ("DASHSCOPE_BASE_URL", "https:///api/v1", "a URL that starts with https://"),
        ("DASHSCOPE_BASE_URL", "https://a:b/api/v1", "a URL that starts with https://"),
        (
            "DASHSCOPE_BASE_URL",
            "https://example.com/?x=/api/v1",
            "a URL that starts with https://",
        ),
        ("DASHSCOPE_WORKSPACE", "a b", "Use letters"),
        ("DASHSCOPE_WORKSPACE", "sk-pasted-by-mistake", "Use letters"),
    ],
)
def test_a_setting_that_is_wrong_says_what_is_allowed(monkeypatch, field, given, said):
    monkeypatch.setenv(field, given)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert str(refused.value).startswith(f"{field}: ")
    assert said in str(refused.value)


def test_a_broken_credentials_file_does_not_quote_itself():
    _credentials("dashscope_api_key = sk-secret-one\n")
    with pytest.raises(SettingsError, match="credentials") as error:
        load_settings()
    assert (
        "sk-secret-one" not in f"{error.value} {error.value.__cause__} "
        f"{error.value.__context__ if not error.value.__suppress_context__ else ''}"
    )


@pytest.mark.parametrize(
    "key", ["hello", "sk-with space", "Bearer sk-abcdef", "sk-x", "sk-日本語日本語", "sk-a\nb: c"]
)
def test_what_is_no_key(monkeypatch, key):
    monkeypatch.setenv("DASHSCOPE_API_KEY", key)
    with pytest.raises(SettingsError, match="DASHSCOPE_API_KEY") as error:
        load_settings()
    assert key not in str(error.value)


@pytest.mark.parametrize("key", ["sk-abcdef", "sk-ws-abcdef", "sk-sp-abcdef", "st-abcdef"])
def test_every_kind_of_key(monkeypatch, key):
    monkeypatch.setenv("DASHSCOPE_API_KEY", key)
    assert load_settings().connection().key.get_secret_value() == key


def test_the_service_needs_a_key(monkeypatch):
    monkeypatch.setenv("WAN_BACKEND", "dashscope")
    with pytest.raises(SettingsError, match="needs a Model Studio API key"):
        load_settings().connection()


def test_on_a_space_a_key_without_access_rules_is_not_used(monkeypatch):
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-abcdef")
    monkeypatch.setenv("SPACE_ID", "somebody/space")
    for wanted in ("auto", "dashscope"):
        monkeypatch.setenv("WAN_BACKEND", wanted)
        settings = load_settings()
        assert (settings.backend, settings.key_withheld) == ("simulator", True)


def test_a_space_without_a_mounted_disk_forgets(monkeypatch, tmp_path):
    assert not load_settings().is_ephemeral
    monkeypatch.setenv("SPACE_ID", "somebody/space")
    monkeypatch.setenv("OUTPUT_DIR", str(tmp_path))
    assert load_settings().is_ephemeral
    monkeypatch.setenv("WAN_DATABASE_URL", "postgresql://database/wan")
    assert load_settings().is_ephemeral
    monkeypatch.setenv("WAN_STORAGE_URL", "s3://bucket/wan")
    assert not load_settings().is_ephemeral
    monkeypatch.delenv("WAN_STORAGE_URL")
    monkeypatch.setenv("OUTPUT_DIR", "/dev/shm/wan")  # noqa: S108 - only asked about
    assert not load_settings().is_ephemeral


@pytest.mark.parametrize(
    ("region", "base_url", "priced"),
    [
        ("cn-beijing", "https://dashscope.aliyuncs.com/api/v1", "cn-beijing"),
        ("ap-southeast-1", "https://dashscope-intl.aliyuncs.com/api/v1", "ap-southeast-1"),
    ],
)
def test_regions(monkeypatch, region, base_url, priced):
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-abcdef")
    monkeypatch.setenv("DASHSCOPE_REGION", region)
    connection = load_settings().connection()
    assert (connection.base_url, connection.region) == (base_url, priced)
    monkeypatch.setenv("DASHSCOPE_BASE_URL", "https://gateway.example/api/v1/")
    assert (
        load_settings().connection().region == region
    )  # DASHSCOPE_REGION says whose prices hold at that address
    monkeypatch.delenv("DASHSCOPE_REGION")
    assert load_settings().connection().region == ""


@pytest.mark.parametrize(
    ("base_url", "region"),
    [
        ("https://llm-1.cn-beijing.maas.aliyuncs.com/api/v1/", "cn-beijing"),
        ("https://LLM-1.AP-Southeast-1.maas.aliyuncs.com/api/v1", "ap-southeast-1"),
        ("https://ws.ap-southeast-1.maas.aliyuncs.com:443/api/v1", "ap-southeast-1"),
        ("https://dashscope-intl.aliyuncs.com:443/api/v1", "ap-southeast-1"),
        ("https://llm-1.eu-central-1.maas.aliyuncs.com/api/v1", ""),
        ("https://cn-beijing.maas.aliyuncs.com/api/v1", ""),
        ("https://a.b.cn-beijing.maas.aliyuncs.com/api/v1", ""),
        ("https://llm-1.cn-beijing.maas.aliyuncs.com.example.com/api/v1", ""),
        ("https://gateway.example/api/v1", ""),
    ],
)
def test_an_address_of_the_service_tells_its_region(monkeypatch, base_url, region):
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-abcdef")
    monkeypatch.setenv("DASHSCOPE_BASE_URL", base_url)
    assert load_settings().connection().region == region
    assert load_settings().home_region == (region or "cn-beijing")
    monkeypatch.setenv("WAN_LOGINS", "ann:a")
    for budget in ("WAN_DAILY_BUDGET", "WAN_BUDGET_PER_PERSON"):
        with monkeypatch.context() as patch:
            patch.setenv(budget, "5")
            assert _refusal().startswith("" if region else f"{budget}: got 5. Use it only where")
            assert bool(_refusal()) is not bool(region)
    monkeypatch.setenv("DASHSCOPE_REGION", "cn-beijing")
    assert load_settings().connection().region == (region or "cn-beijing"), (
        "the address knows better"
    )


SHARED = {
    "cn-beijing": "https://dashscope.aliyuncs.com/api/v1",
    "ap-southeast-1": "https://dashscope-intl.aliyuncs.com/api/v1",
}
OWN = "https://llm-1.ap-southeast-1.maas.aliyuncs.com/api/v1"


@pytest.mark.parametrize(
    ("operators", "region", "workspace", "base_url", "header"),
    [
        ("", "", "", SHARED["cn-beijing"], ""),
        ("", "ap-southeast-1", "llm-1", SHARED["ap-southeast-1"], "llm-1"),
        ("", "", OWN, OWN, ""),
        ("", "ap-southeast-1", " LLM-1.ap-southeast-1.maas.aliyuncs.com/ ", OWN, ""),
        (
            "https://ws.ap-southeast-1.maas.aliyuncs.com/api/v1",
            "",
            "",
            SHARED["ap-southeast-1"],
            "",
        ),
        (
            "https://ws.ap-southeast-1.maas.aliyuncs.com/api/v1",
            "cn-beijing",
            "",
            SHARED["cn-beijing"],
            "",
        ),
        ("https://ws.cn-beijing.maas.aliyuncs.com/api/v1", "", OWN, OWN, ""),
        ("https://gateway.example/api/v1", "", OWN, "https://gateway.example/api/v1", "llm-1"),
    ],
)
def test_where_a_visitors_key_goes(monkeypatch, operators, region, workspace, base_url, header):
    monkeypatch.setenv("DASHSCOPE_BASE_URL", operators)
    settings = load_settings()
    connection = settings.visitor_connection("sk-visitor1", region, workspace)
    assert (connection.base_url, connection.workspace, connection.currency) == (
        base_url,
        header,
        "",
    )
    if region:
        assert settings.priced_region(region) == connection.region
    assert connection.region == (
        ""
        if "gateway" in base_url
        else "ap-southeast-1"
        if "intl" in base_url or base_url == OWN
        else "cn-beijing"
    )


@pytest.mark.parametrize(
    ("region", "workspace", "field"),
    [
        ("cn-beijing", OWN, "region"),
        ("", "https://llm-1.us-east-1.maas.aliyuncs.com/api/v1", "region"),
        ("", "https://llm-1.cn-beijing.maas.aliyuncs.com.example.com/api/v1", "workspace"),
        ("", "https://example.com/llm-1.cn-beijing.maas.aliyuncs.com", "workspace"),
        ("", "https://user@llm-1.cn-beijing.maas.aliyuncs.com/api/v1", "workspace"),
        ("", "https://llm-1.cn-beijing.maas.aliyuncs.com:8443/api/v1", "workspace"),
        ("", "http://llm-1.cn-beijing.maas.aliyuncs.com/api/v1", "workspace"),
        ("", "llm-1.cn-beijing.maas.aliyuncs.com/api/v2", "workspace"),
        ("", "127.0.0.1", "workspace"),
        ("", "sk-visitor1", "workspace"),
    ],
)
def test_a_visitor_names_no_other_place(region, workspace, field):
    with pytest.raises(InvalidInput) as refused:
        load_settings().visitor_connection("sk-visitor1", region, workspace)
    assert refused.value.field == field
    assert "sk-visitor1" not in str(refused.value)


def test_the_currency_of_the_account(monkeypatch):
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-abcdef")
    before = load_settings().connection()
    monkeypatch.setenv("WAN_CURRENCY", "usd")
    after = load_settings().connection()
    assert (before.currency, after.currency, before.account) == ("", "USD", after.account)
    monkeypatch.setenv("WAN_CURRENCY", "EUR")
    with pytest.raises(SettingsError, match=r"^WAN_CURRENCY: got EUR. Use CNY or USD\.$"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DASHSCOPE_REGION", "mars"),
        ("WAN_POLL_SECONDS", "often"),
        ("WAN_JOBS_PER_VISITOR", "9" * 20),
        ("WAN_BACKEND", "cloud"),
        ("DASHSCOPE_BASE_URL", "https://example.com"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as error:
        load_settings()
    assert name in str(error.value)
    assert value in str(error.value)


@pytest.mark.parametrize(
    ("given", "read"),
    [("", False), ("false", False), ("0", False), ("off", False), ("true", True), ("1", True)],
)
def test_a_switch_is_on_or_off(monkeypatch, given, read):
    monkeypatch.setenv("WAN_MCP", given)
    assert load_settings().mcp is read


def test_the_account_names_nobody_and_tells_everybody_apart(monkeypatch):
    seen = set()
    for key, workspace in (("sk-abcdef", ""), ("sk-ghijkl", ""), ("sk-abcdef", "ws-1")):
        monkeypatch.setenv("DASHSCOPE_API_KEY", key)
        monkeypatch.setenv("DASHSCOPE_WORKSPACE", workspace)
        seen.add(load_settings().connection().account)
    assert len(seen) == 3
    assert all(
        re.fullmatch("[0-9a-f]{16}", account) and "abcdef" not in account for account in seen
    )


@pytest.mark.parametrize(
    ("given", "users"),
    [
        ("ann:a:b:c, bob:d", {"ann": "a:b:c", "bob": "d"}),
        ('{"ann": "a,b:c", "bob": " d "}', {"ann": "a,b:c", "bob": " d "}),
        ("""'{"ann": "a\\"b"}'""", {"ann": 'a"b'}),
        (f"ann:{HASHED},bob:d", {"ann": HASHED, "bob": "d"}),
    ],
)
def test_a_password_may_have_any_character_in_it(monkeypatch, given, users):
    monkeypatch.setenv("WAN_LOGINS", given)
    assert load_settings().users == users


@pytest.mark.parametrize(
    "given",
    [
        "ann:a,b",
        "ann",
        ":a",
        '{"ann": 7}',
        '{"ann"',
        "{}",
        '{"": "a"}',
        '["ann"]',
        f"ann:{HASHED[:-1]}",
        "ann:5-8-3-6xJJ4-sk74hQU-KhW--gPE8aHzXbHijxgzg",
        f"ann:{HASHED.replace('$10-', '$25-')}",
    ],
)
def test_logins_that_are_none_say_how_and_quote_nothing(monkeypatch, given):
    monkeypatch.setenv("WAN_LOGINS", given)
    with pytest.raises(
        SettingsError,
        match=r'^WAN_LOGINS: got \*\*\*. Use name:password, .* needs JSON: \{"name": '
        r'"password"',
    ):
        load_settings()


@pytest.mark.parametrize("given", ["loopback", " Loopback ", '"LOOPBACK"'])
def test_metrics_for_this_machine(monkeypatch, given):
    assert load_settings().metrics_readers is None
    monkeypatch.setenv("WAN_METRICS", given)
    assert load_settings().metrics_readers == "loopback"


@pytest.mark.parametrize("given", ["x" * 16, "a:token/with+signs=", "y" * 200])
def test_metrics_for_whoever_has_a_token(monkeypatch, given):
    monkeypatch.setenv("WAN_METRICS", given)
    settings = load_settings()
    assert settings.metrics_readers.get_secret_value() == given
    assert given not in repr(settings) + str(settings) + repr(settings.metrics_readers)


@pytest.mark.parametrize(
    "given", ["true", "hushhushhushhus", "hush hush hush hush", "hush" * 51, "hüsh" * 5]
)
def test_a_token_for_metrics_that_is_none_says_how_and_quotes_nothing(monkeypatch, given):
    monkeypatch.setenv("WAN_METRICS", given)
    with pytest.raises(
        SettingsError,
        match=rf"^WAN_METRICS: got \*\*\* \({len(given)} characters\). Use loopback, .* 16 to 200 ",
    ) as refused:
        load_settings()
    assert given not in str(refused.value)


def test_a_secret_for_events(monkeypatch):
    assert load_settings().event_secret is None
    monkeypatch.setenv("WAN_EVENT_SECRET", "a-secret_of.16~1")
    settings = load_settings()
    assert settings.event_secret.get_secret_value() == "a-secret_of.16~1"
    assert "a-secret" not in repr(settings) + str(settings)


@pytest.mark.parametrize("given", ["hush" * 3, "hush" * 51, "hush hush hush hush", "hush+" * 4])
def test_a_secret_for_events_that_is_none_says_how_and_quotes_nothing(monkeypatch, given):
    monkeypatch.setenv("WAN_EVENT_SECRET", given)
    with pytest.raises(
        SettingsError, match=r"^WAN_EVENT_SECRET: got \*\*\*. Use 16 to 200 letters of English, "
    ) as refused:
        load_settings()
    assert given not in str(refused.value)


def test_who_is_believed_about_addresses(monkeypatch):
    assert load_settings().trusted_proxies == []
    monkeypatch.setenv("SPACE_ID", "someone/films")
    assert any(
        network.version == 4 and str(network) == "10.0.0.0/8"
        for network in load_settings().trusted_proxies
    )
    monkeypatch.setenv("WAN_TRUSTED_PROXIES", "127.0.0.1, 2001:db8::/32")
    assert [str(network) for network in load_settings().trusted_proxies] == [
        "127.0.0.1/32",
        "2001:db8::/32",
    ]
    monkeypatch.setenv("WAN_TRUSTED_PROXIES", "my-proxy")
    with pytest.raises(
        SettingsError,
        match=r"^WAN_TRUSTED_PROXIES: got my-proxy. Use addresses and networks separated by commas",
    ):
        load_settings()
    monkeypatch.setenv("WAN_TRUSTED_PROXIES", "10.1.2.3/8,[::1]")
    assert [str(network) for network in load_settings().trusted_proxies] == [
        "10.0.0.0/8",
        "::1/128",
    ]


def test_names_of_the_app(monkeypatch):
    assert load_settings().host_names == []
    monkeypatch.setenv(
        "WAN_HOSTS", "Films.Example., *.studio.example,münchen.example , my_app,10.0.0.7,"
    )
    names = ["films.example", "*.studio.example", "xn--mnchen-3ya.example", "my_app", "10.0.0.7"]
    assert load_settings().host_names == names
    monkeypatch.setenv("WAN_HOSTS", "*")
    assert load_settings().host_names == ["*"]


@pytest.mark.parametrize(
    "wrong",
    [
        *("https://films.example", "films.example:8443", "films.example/", "a b", "*films.example"),
        *("films.*", "*.*.example", "*.", "a..b", "a" * 70, "[::1]", "ann@films.example", "a\tb"),
    ],
)
def test_what_is_no_name_is_refused_at_the_start(monkeypatch, wrong):
    monkeypatch.setenv("WAN_HOSTS", f"films.example,{wrong}")
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert f"WAN_HOSTS: got {wrong}. Use names without scheme or port" in str(refused.value)


BARE = "sk-abcdef"
WRAPPED = [
    f'"{BARE}"',
    f"'{BARE}'",
    f"“{BARE}”",
    f" ' {BARE} ' ",
    f"{BARE}\r\n",
    f"\ufeff{BARE}",
    f"\u200b{BARE}\u2060",
    f"\u00a0{BARE}\u3000",
]
WRAPPED += ["sk-abc\u200bdef", "sk-\u200dabc\u200cdef", f"\"\ufeff'{BARE}'\"\r"]


@pytest.mark.parametrize("given", WRAPPED)
def test_every_value_is_cleaned_in_the_same_way(monkeypatch, given):
    assert clean_value(given) == BARE
    for name in ("DASHSCOPE_API_KEY", "DASHSCOPE_WORKSPACE", "WAN_ACCESS_CODE", "WAN_HOSTS"):
        monkeypatch.setenv(
            name, given if name == "DASHSCOPE_API_KEY" else given.replace("sk-", "ws-")
        )
    settings = load_settings()
    assert (
        settings.key() == settings.visitor_connection(given, "", "").key.get_secret_value() == BARE
    )
    assert [settings.workspace, *settings.host_names, settings.access_code.get_secret_value()] == [
        "ws-abcdef"
    ] * 3


def test_what_shapes_a_script_or_stands_alone_stays():
    for kept in ("می\u200cخواهم", "👩\u200d🚀", '"', "it's", '"a" and "b', "a b", "a\nb"):
        assert clean_value(kept) == kept
    assert clean_value("a\u00a0b") == "a b"


def test_nothing_in_quotes_is_nothing(monkeypatch):
    Path(".env").write_text("WAN_POLL_SECONDS=20\nWAN_KEEP_DAYS=3\n")
    monkeypatch.setenv("WAN_POLL_SECONDS", "''")
    monkeypatch.setenv("WAN_KEEP_DAYS", ' "4" ')
    settings = load_settings()
    assert (settings.poll_seconds, settings.keep_days) == (20, 4)


@pytest.mark.parametrize(
    ("name", "given", "read"),
    [
        ("DASHSCOPE_REGION", "AP-Southeast-1", "region"),
        ("WAN_BACKEND", "Simulator", "backend_wanted"),
    ],
)
def test_names_may_be_in_capitals(monkeypatch, name, given, read):
    monkeypatch.setenv(name, given)
    assert getattr(load_settings(), read) == given.lower()


@pytest.mark.parametrize(
    ("given", "read"),
    [("TRUE", True), ("Yes", True), (" 'On'\r", True), ("FALSE", False), ("NO", False)],
)
def test_switches_may_be_in_capitals(monkeypatch, given, read):
    monkeypatch.setenv("WAN_MCP", given)
    assert load_settings().mcp is read


ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "gbk"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_files_in_every_usual_encoding(encoding, ends, monkeypatch):
    monkeypatch.delenv("WAN_POLL_SECONDS")
    text = ends.join(["# 设置", "export WAN_POLL_SECONDS = '20'", "WAN_ACCESS_CODE=视频", ""])
    Path(".env").write_bytes(text.encode(encoding))
    _credentials(
        ends.join(["# 密钥", "[Default]", 'dashscope_api_key = "sk-from-file"', ""]).encode(
            encoding
        )
    )
    settings = load_settings()
    assert (settings.poll_seconds, settings.access_code.get_secret_value(), settings.key()) == (
        20,
        "视频",
        "sk-from-file",
    )


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xff\x80",
        b"\x00\x01\x02",
        b"WAN_MCP=a\x00b\x00c",
        b"\xff\xfea",
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
    ],
)
def test_a_file_that_is_no_text_is_named(content):
    Path(".env").write_bytes(content)
    with pytest.raises(
        SettingsError,
        match=r"^\.env: this file can't be used: it isn't text in UTF-8, UTF-16 or GBK\.$",
    ):
        load_settings()
    Path(".env").unlink()
    _credentials(content)
    with pytest.raises(
        SettingsError,
        match=r"credentials: this file can't be used: it isn't text in UTF-8, UTF-16 or GBK\.$",
    ):
        load_settings()


@pytest.mark.parametrize(
    ("text", "line"),
    [("dashscope_api_key = sk-one\n", 1), ("[default]\nsk-one\n", 2), ("[a]\n[default\nx", 2)],
)
def test_a_line_of_the_credentials_file_that_says_nothing_is_named(text, line):
    _credentials(text)
    with pytest.raises(
        SettingsError,
        match=f"credentials: this file can't be used: line {line} is neither a .section",
    ) as refused:
        load_settings()
    assert "sk-one" not in str(refused.value)


def test_a_folder_called_env_is_none_of_ours():
    Path(".env").mkdir()
    assert load_settings().backend == "simulator"


def _refusal() -> str:
    try:
        load_settings()
    except SettingsError as refused:
        return str(refused)
    return ""


@pytest.mark.parametrize("name", ["WAN_DAILY_BUDGET", "WAN_BUDGET_PER_PERSON"])
@pytest.mark.parametrize(
    "given", ["0", "-1", "nan", "inf", "1e400", "123456789012345678901234567890"]
)
def test_a_budget_that_no_database_holds_is_refused(monkeypatch, name, given):
    monkeypatch.setenv("WAN_LOGINS", "ann:a")
    monkeypatch.setenv(name, given)
    assert _refusal() == f"{name}: got {given}. Use a number above 0, 1000000000 at most."


def test_a_library_is_shared_only_among_those_who_are_let_in(monkeypatch):
    monkeypatch.setenv("WAN_SHARED_LIBRARY", "true")
    assert load_settings().shared_library
    for name, value in (
        ("GRADIO_SERVER_NAME", "0.0.0.0"),  # noqa: S104
        ("WAN_HOSTS", "films.example"),
        ("WAN_TRUSTED_PROXIES", "127.0.0.1"),
        ("SPACE_ID", "ann/films"),
    ):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            assert _refusal().startswith("WAN_SHARED_LIBRARY: got true. Use it with WAN_LOGINS")
            patch.setenv("WAN_LOGINS", "ann:a")
            assert load_settings().shared_library


@pytest.mark.parametrize("name", [field.alias for field in Settings.model_fields.values()])
def test_whatever_is_wrong_is_said_in_our_own_words(monkeypatch, name):
    for given in ("many", "-1", "1.5", "nan", "１", "1e999"):
        monkeypatch.setenv(name, given)
        refused = _refusal()
        assert refused.startswith(f"{name}: ") or not refused
        assert not re.search(r"Input should|[A-Z][a-z]+Error|valid", refused)
    monkeypatch.setenv(name, os.fsdecode(b"\xff"))
    assert _refusal() == f"{name}: the value isn't text in UTF-8. Set it again."


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nosql://ann:hush@host/x", r"got nosql://…, which names no kind of database"),
        (
            "postgresql://ann:hush@host:port/x",
            r"got postgresql://…, in which a port or another figure is no number",
        ),
        (
            "postgresql://ann:hush@127.0.0.1:9/x",
            r"got postgresql://…, which cannot be reached or does not let us in",
        ),
        *[
            (f"sqlite://{rest}", r"got sqlite://…, which names no file")
            for rest in ("", "/", "/:memory:", "/?x=1", "/file::memory:?uri=true")
        ],
        ("sqlite:///file:x?mode=memory&uri=true", r"got sqlite://…, which names no file"),
        (
            "mysql+pymysql://ann:hush@host/x",
            r"got mysql\+pymysql://…, whose driver is not installed",
        ),
        (
            "sqlite:////proc/nowhere/wan.sqlite3",
            r"got sqlite://…, where SQLite says: unable to open database file",
        ),
        ("hush", r"got something that is no address"),
    ],
)
def test_a_database_that_does_not_open_is_named_without_its_password(url, said):
    with pytest.raises(SettingsError, match=f"^WAN_DATABASE_URL: {said}") as refused:
        Store(url)
    assert "hush" not in str(refused.value)


def test_a_storage_that_is_none_is_named_without_its_password(tmp_path):
    for url, shown in (
        ("nowhere://ann:hush@host", "nowhere://…"),
        ("hush", "something that is no address"),
    ):
        with pytest.raises(
            SettingsError, match=f"^WAN_STORAGE_URL: got {shown}. Use a location"
        ) as refused:
            Storage(url, tmp_path)
        assert "hush" not in str(refused.value)


def test_what_platforms_call_postgres(monkeypatch):
    monkeypatch.setenv("WAN_DATABASE_URL", "postgres://ann:hush@host/wan")
    assert load_settings().database == "postgresql://ann:hush@host/wan"


def test_a_folder_at_home(monkeypatch):
    monkeypatch.setenv("OUTPUT_DIR", "~/films")
    assert load_settings().output_dir == Path.home() / "films"


@pytest.mark.parametrize(
    ("given", "home"),
    [
        ("https://films.example", "https://films.example/"),
        ("http://films.example:8080/", "http://films.example:8080/"),
        (" https://films.example/wan ", "https://films.example/wan/"),
        ("https://films.example/wan/", "https://films.example/wan/"),
        ("", ""),
    ],
)
def test_what_links_begin_with(monkeypatch, given, home):
    monkeypatch.setenv("WAN_PUBLIC_URL", given)
    assert load_settings().home_url == home


@pytest.mark.parametrize(
    "given",
    [
        "films.example",
        "//films.example/wan",
        "ftp://films.example",
        "javascript:alert(1)",
        "https://",
        "https://films.example:port",
        "https://films.example/wan?a=b",
        "https://films.example/#wan",
        "https://ann:secret@films.example",
        "https://films.example/two words",
    ],
)
def test_what_links_cannot_begin_with(monkeypatch, given):
    monkeypatch.setenv("WAN_PUBLIC_URL", given)
    with pytest.raises(SettingsError, match=r"WAN_PUBLIC_URL: got .*Use a URL that starts with"):
        load_settings()


@pytest.mark.parametrize(
    ("logins", "given", "named"),
    [("ann:a,bob:b", "ann, carl", "carl"), ("", "ann", "ann"), ("ann:a", "Ann", "Ann")],
)
def test_an_operator_is_one_of_those_who_sign_in(
    monkeypatch: pytest.MonkeyPatch, logins: str, given: str, named: str
):
    if logins:
        monkeypatch.setenv("WAN_LOGINS", logins)
    monkeypatch.setenv("WAN_OPERATORS", given)
    with pytest.raises(SettingsError, match=f"WAN_OPERATORS: got {named}. Use names in WAN_LOGINS"):
        load_settings()
    monkeypatch.setenv("WAN_LOGINS", "bob:b,ann:a")
    monkeypatch.setenv("WAN_OPERATORS", " ann , bob,")
    assert load_settings().operators == ["ann", "bob"]
