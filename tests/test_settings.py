"""Where the key comes from, what is no key, and when a key must not be used."""

import re
from pathlib import Path

import pytest

from wan.errors import SettingsError
from wan.settings import load_settings


@pytest.fixture(autouse=True)
def _automatic(monkeypatch):
    monkeypatch.delenv("WAN_BACKEND")


def _credentials(text: str) -> None:
    path = Path("~/.alibabacloud/credentials").expanduser()
    path.parent.mkdir(parents=True)
    path.write_text(text)


def test_without_a_key_the_simulator_serves():
    assert load_settings().backend == "simulator"


def test_the_environment_wins_over_the_credentials_file(monkeypatch):
    _credentials("[default]\ndashscope_api_key = sk-from-file\n")
    assert load_settings().key() == "sk-from-file"
    monkeypatch.setenv("DASHSCOPE_API_KEY", " sk-from-env\n")
    settings = load_settings()
    assert (settings.key(), settings.backend) == ("sk-from-env", "dashscope")
    assert "sk-from-env" not in f"{settings!r} {settings.connection()!r} {settings.model_dump()}"


@pytest.mark.parametrize("text", ["[default]\nother = 1\n", "[other]\ndashscope_api_key = sk-other\n", "[default]\ndashscope_api_key =\n"])
def test_a_credentials_file_without_the_entry(text):
    _credentials(text)
    assert load_settings().key() is None


def test_what_is_no_key_is_named_by_where_it_stands(monkeypatch):
    _credentials("[default]\ndashscope_api_key = hello\n")
    with pytest.raises(SettingsError, match=r"^~/.alibabacloud/credentials: what is set is no key"):
        load_settings()
    monkeypatch.setenv("DASHSCOPE_API_KEY", "hello")
    with pytest.raises(SettingsError, match=r"^DASHSCOPE_API_KEY: what is set is no key"):
        load_settings()


@pytest.mark.parametrize(
    ("field", "given", "said"),
    [
        ("WAN_BACKEND", "foo", "'auto', 'dashscope' or 'simulator'"),
        ("DASHSCOPE_BASE_URL", "notaurl/api/v1", "an address that begins with https://"),
        ("DASHSCOPE_BASE_URL", "https:///api/v1", "an address that begins with https://"),
        ("DASHSCOPE_BASE_URL", "https://a:b/api/v1", "an address that begins with https://"),
        ("DASHSCOPE_BASE_URL", "https://example.com/?x=/api/v1", "an address that begins with https://"),
        ("DASHSCOPE_WORKSPACE", "a b", "allowed are letters"),
        ("DASHSCOPE_WORKSPACE", "sk-pasted-by-mistake", "allowed are letters"),
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
    assert "sk-secret-one" not in f"{error.value} {error.value.__cause__} {error.value.__context__ if not error.value.__suppress_context__ else ''}"


@pytest.mark.parametrize("key", ["hello", "sk-with space", "Bearer sk-abcdef", "sk-x", "sk-日本語日本語", "sk-a\nb: c"])
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
    with pytest.raises(SettingsError, match="needs a Model Studio key"):
        load_settings().connection()


def test_on_a_space_a_key_without_access_rules_is_not_used(monkeypatch):
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-abcdef")
    monkeypatch.setenv("SPACE_ID", "somebody/space")
    for wanted in ("auto", "dashscope"):
        monkeypatch.setenv("WAN_BACKEND", wanted)
        settings = load_settings()
        assert (settings.backend, settings.key_withheld) == ("simulator", True)


def test_a_space_without_a_mounted_disk_forgets(monkeypatch, tmp_path):
    assert not load_settings().fleeting
    monkeypatch.setenv("SPACE_ID", "somebody/space")
    monkeypatch.setenv("OUTPUT_DIR", str(tmp_path))
    assert load_settings().fleeting
    monkeypatch.setenv("WAN_DATABASE_URL", "postgresql://database/wan")
    assert load_settings().fleeting
    monkeypatch.setenv("WAN_STORAGE_URL", "s3://bucket/wan")
    assert not load_settings().fleeting
    monkeypatch.delenv("WAN_STORAGE_URL")
    monkeypatch.setenv("OUTPUT_DIR", "/dev/shm/wan")  # noqa: S108 - only asked about
    assert not load_settings().fleeting


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
    monkeypatch.setenv("DASHSCOPE_BASE_URL", "https://llm-1.cn-beijing.maas.aliyuncs.com/api/v1/")
    assert load_settings().connection().region == region  # DASHSCOPE_REGION says whose prices hold at that address
    monkeypatch.delenv("DASHSCOPE_REGION")
    assert load_settings().connection().region == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [("DASHSCOPE_REGION", "mars"), ("WAN_POLL_SECONDS", "often"), ("WAN_BACKEND", "cloud"), ("DASHSCOPE_BASE_URL", "https://example.com")],
)
def test_a_wrong_setting_is_named(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as error:
        load_settings()
    assert name in str(error.value)
    assert value in str(error.value)


@pytest.mark.parametrize(("given", "read"), [("", False), ("false", False), ("0", False), ("off", False), ("true", True), ("1", True)])
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
    assert all(re.fullmatch("[0-9a-f]{16}", account) and "abcdef" not in account for account in seen)


def test_a_password_may_have_colons_in_it(monkeypatch):
    monkeypatch.setenv("WAN_LOGINS", "ann:a:b:c, bob:d")
    assert load_settings().users == [("ann", "a:b:c"), ("bob", "d")]


def test_who_is_believed_about_addresses(monkeypatch):
    assert load_settings().trusted_proxies == []
    monkeypatch.setenv("SPACE_ID", "someone/films")
    assert any(network.version == 4 and str(network) == "10.0.0.0/8" for network in load_settings().trusted_proxies)
    monkeypatch.setenv("WAN_TRUSTED_PROXIES", "127.0.0.1, 2001:db8::/32")
    assert [str(network) for network in load_settings().trusted_proxies] == ["127.0.0.1/32", "2001:db8::/32"]
    monkeypatch.setenv("WAN_TRUSTED_PROXIES", "my-proxy")
    with pytest.raises(SettingsError, match="WAN_TRUSTED_PROXIES"):
        load_settings()


def test_names_of_the_app(monkeypatch):
    assert load_settings().host_names == []
    monkeypatch.setenv("WAN_HOSTS", "Films.Example., *.studio.example,münchen.example , my_app,10.0.0.7,")
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
    assert f"WAN_HOSTS: got {wrong}; allowed is names without scheme and port" in str(refused.value)
