"""The operator's settings: environment, then `.env`, then for the key the credentials file."""

from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from wan.domain.catalog import BASE_URLS, Region, region_at, workspace_at
from wan.domain.errors import InvalidInput, SettingsError
from wan.domain.file_names import ALLOWED, TEMPLATE, check_template
from wan.domain.messages import Message
from wan.environment.checks import (
    KEY_SHAPE,
    LOGINS,
    METRICS_TOKEN,
    SAFE_IN_ADDRESSES,
    WORKSPACE_SHAPE,
    EventSecret,
    is_plain_url,
    is_proxy_url,
    is_service_url,
    mask_url,
    parse_host_name,
    parse_logins,
    parse_network,
    parse_workspace_address,
)
from wan.environment.connection import Backend, Connection
from wan.environment.credentials import FILE, check_key, note_once, read_key_file
from wan.environment.locations import Locations
from wan.environment.values import DotEnv, Environment, clean_value

WORK = ".work-"  # prefix of unfinished files, by which a dead process's are found
_SECRETS = (
    *("DASHSCOPE_API_KEY", "WAN_ACCESS_CODE", "WAN_LOGINS"),
    *("WAN_METRICS", "WAN_SERVICE_PROXY", "WAN_EVENT_SECRET"),
)
_PRIVATE = "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,127.0.0.0/8,fc00::/7,::1/128"
_THIS_COMPUTER = ("127.0.0.1", "localhost", "::1")
_SHOWN = 100  # characters of a wrong value that are quoted
_KINDS = {bool: "true or false", int: "a whole number", float: "a number", Decimal: "a number"}

_lower = BeforeValidator(lambda given: given.lower() if isinstance(given, str) else given)
_upper = BeforeValidator(lambda given: given.upper() if isinstance(given, str) else given)


class Settings(Locations):
    """The settings of the README's table, by the same names."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    api_key: SecretStr | None = Field(default=None, alias="DASHSCOPE_API_KEY")
    region: Annotated[Region, _lower] = Field(default="cn-beijing", alias="DASHSCOPE_REGION")
    workspace: str = Field(default="", alias="DASHSCOPE_WORKSPACE")
    base_url: str = Field(default="", alias="DASHSCOPE_BASE_URL")
    service_proxy: SecretStr | None = Field(default=None, alias="WAN_SERVICE_PROXY")
    poll_seconds: float | None = Field(default=None, alias="WAN_POLL_SECONDS", ge=1, le=600)
    uncertain_seconds: float = Field(default=900, alias="WAN_UNCERTAIN_SECONDS", ge=0, le=24 * 3600)
    keep_days: int = Field(default=0, alias="WAN_KEEP_DAYS", ge=0, le=36500)
    backend_wanted: Annotated[Literal["auto", "dashscope", "simulator"], _lower] = Field(
        default="auto", alias="WAN_BACKEND"
    )
    simulator_pending: float = Field(default=2, alias="WAN_SIMULATOR_PENDING", ge=0, le=3600)
    simulator_running: float = Field(default=6, alias="WAN_SIMULATOR_RUNNING", ge=0, le=3600)
    access_code: SecretStr | None = Field(default=None, alias="WAN_ACCESS_CODE")
    currency: Annotated[Literal["", "CNY", "USD"], _upper] = Field(default="", alias="WAN_CURRENCY")
    daily_budget: Decimal | None = Field(
        default=None, alias="WAN_DAILY_BUDGET", gt=0, le=1_000_000_000
    )
    budget_per_person: Decimal | None = Field(
        default=None, alias="WAN_BUDGET_PER_PERSON", gt=0, le=1_000_000_000
    )
    jobs_per_visitor: int = Field(default=8, alias="WAN_JOBS_PER_VISITOR", ge=1, le=100_000)
    logins: SecretStr | None = Field(default=None, alias="WAN_LOGINS")
    operator_names: str = Field(default="", alias="WAN_OPERATORS")
    metrics: SecretStr | None = Field(default=None, alias="WAN_METRICS")
    event_secret: EventSecret | None = Field(
        default=None, alias="WAN_EVENT_SECRET", description=SAFE_IN_ADDRESSES
    )
    proxies: str = Field(default="", alias="WAN_TRUSTED_PROXIES")
    hosts: str = Field(default="", alias="WAN_HOSTS")
    root_path: str = Field(default="", alias="GRADIO_ROOT_PATH")
    public_url: str = Field(default="", alias="WAN_PUBLIC_URL")
    media_redirect: bool = Field(default=False, alias="WAN_MEDIA_REDIRECT")
    download_name: Annotated[str, AfterValidator(check_template)] = Field(
        default=TEMPLATE, alias="WAN_DOWNLOAD_NAME", description=ALLOWED
    )
    shared_library: bool = Field(default=False, alias="WAN_SHARED_LIBRARY")
    mcp: bool = Field(default=False, alias="WAN_MCP")
    join_anonymous: bool = Field(default=True, alias="WAN_JOIN_ANONYMOUS")
    server_name: str = Field(default="127.0.0.1", alias="GRADIO_SERVER_NAME")
    server_port: int | None = Field(default=None, alias="GRADIO_SERVER_PORT", ge=1, le=65535)
    space_host: str = Field(default="", alias="SPACE_HOST")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *_: Any,
        **__: Any,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the environment before the file."""
        return init_settings, Environment(settings_cls), DotEnv(settings_cls, env_file=".env")

    @property
    def trusted_proxies(self) -> list[IPv4Network | IPv6Network]:
        """Proxies whose word on the client's address counts. Raises SettingsError.

        On a Space its own proxies stand in front, in private networks.
        """
        given = self.proxies or (_PRIVATE if self.space_id else "")
        return [parse_network(one.strip()) for one in given.split(",") if one.strip()]

    @property
    def host_names(self) -> list[str]:
        """The names of the app's hosts, as a browser writes them. Raises SettingsError."""
        try:
            return [parse_host_name(one) for one in self.hosts.split(",") if one.strip()]
        except ValueError as error:
            allowed = "names without scheme or port (films.example), *.films.example or *"
            given = str(error)
            raise SettingsError.about("WAN_HOSTS", given, allowed) from None

    @property
    def home_url(self) -> str:
        """What links to this app begin with, ending in a slash; "" for wherever it is reached."""
        return self.public_url and f"{self.public_url.rstrip('/')}/"

    @property
    def outward_proxy(self) -> SecretStr | None:
        """The proxy to the service. Raises SettingsError, which does not quote its password."""
        if self.service_proxy is None:
            return None
        given = self.service_proxy.get_secret_value()
        url = given if "://" in given else f"http://{given}"
        if not is_proxy_url(url):
            allowed = (
                "http://host:port or https://host:port, with user:password@ before the "
                "host if it needs them; SOCKS proxies aren't supported"
            )
            raise SettingsError.about("WAN_SERVICE_PROXY", mask_url(given), allowed)
        return SecretStr(url)

    def key(self) -> str | None:
        """Return the operator's key: the environment's, else the file's. Raises SettingsError."""
        return (
            self._key_in_file()
            if self.api_key is None
            else check_key("DASHSCOPE_API_KEY", self.api_key.get_secret_value())
        )

    def _key_in_file(self) -> str | None:
        """Return the key in the file. Raises SettingsError if it is needed and unusable."""
        try:
            return check_key(FILE, read_key_file())
        except SettingsError as trouble:
            if self.api_key is None and self.backend_wanted != "simulator":
                raise
            note_once(f"{trouble} It isn't needed, so it's ignored.")
            return None

    @property
    def key_withheld(self) -> bool:
        """Whether a key must not be used: on a public Space without access rules."""
        ruled = self.access_code or self.daily_budget or self.logins
        return (
            bool(self.space_id)
            and not ruled
            and self.backend_wanted != "simulator"
            and self.key() is not None
        )

    @property
    def users(self) -> dict[str, str]:
        """Passwords for signing in, by name; empty without logins. Raises SettingsError."""
        users = list(parse_logins(self.logins.get_secret_value())) if self.logins else []
        if not all(name and password for name, password in users):
            raise SettingsError.about("WAN_LOGINS", "***", LOGINS)
        return dict(users)

    @property
    def operators(self) -> list[str]:
        """Names of those who, signed in, see what everybody spends. Raises SettingsError."""
        names = [name.strip() for name in self.operator_names.split(",") if name.strip()]
        users = self.users if names else {}
        for name in names:
            if name not in users:
                allowed = "names in WAN_LOGINS, separated by commas"
                raise SettingsError.about("WAN_OPERATORS", name[:_SHOWN], allowed)
        return names

    @property
    def metrics_readers(self) -> Literal["loopback"] | SecretStr | None:
        """Who may read the metrics: this machine, or whoever sends a token; None for nobody. Raises
        SettingsError, which doesn't quote it.
        """
        given = self.metrics.get_secret_value() if self.metrics else ""
        if given.lower() == "loopback":
            return "loopback"
        if given and not METRICS_TOKEN.fullmatch(given):
            allowed = (
                "loopback, for programs on this machine, or a secret of 16 to 200 letters, digits "
                "and signs of ASCII without spaces, for whoever sends it as a Bearer token"
            )
            raise SettingsError.about("WAN_METRICS", f"*** ({len(given)} characters)", allowed)
        return self.metrics

    @property
    def backend(self) -> Backend:
        """The maker of videos; `auto` is DashScope with a usable key, else the simulator."""
        if self.key_withheld:
            return "simulator"
        if self.backend_wanted == "auto":
            return "dashscope" if self.key() else "simulator"
        return self.backend_wanted

    def connection(self) -> Connection:
        """Return the connection to DashScope. Raises SettingsError without a key."""
        key = self.key()
        if key is None:
            raise SettingsError(Message.of("key_missing"))
        return self._connection(
            key, self.base_url or BASE_URLS[self.region], self.workspace, self.currency
        )

    def visitor_connection(self, key: str, region: str, workspace: str) -> Connection:
        """Return the connection of a visitor's own key.

        It leads to the service's own address or the operator's DASHSCOPE_BASE_URL, never to one of
        the visitor's. workspace: an id, or its address at the service. Raises InvalidInput, which
        never quotes the key.
        """
        key, workspace, own = clean_value(key), clean_value(workspace), None
        if not KEY_SHAPE.fullmatch(key):
            raise InvalidInput("key", "own_key_malformed")
        if "." in workspace:
            own = parse_workspace_address(workspace)
            workspace = own[0] if own else workspace
        if not WORKSPACE_SHAPE.fullmatch(workspace) or KEY_SHAPE.fullmatch(workspace):
            raise InvalidInput("workspace", "own_workspace_malformed")
        region = region or (own[1] if own else self.home_region)
        if region not in BASE_URLS:
            raise InvalidInput(
                "region", "region_unknown", given=region[:40], allowed=", ".join(BASE_URLS)
            )
        if own and own[1] != region:
            raise InvalidInput("region", "region_of_workspace", given=region, allowed=own[1])
        if own and not self._elsewhere:
            return self._connection(
                key, f"https://{workspace}.{region}.maas.aliyuncs.com/api/v1", ""
            )
        return self._connection(key, self._visitors_url(region), workspace)

    def priced_region(self, region: str) -> str:
        """Return the region whose prices hold for a visitor's key of this region.

        It is "" at an unknown address, unless DASHSCOPE_REGION is set too.
        """
        return self._region_at(self._visitors_url(region))

    @property
    def home_region(self) -> str:
        """The default region: that of the service's address in use, else DASHSCOPE_REGION."""
        return region_at(self.base_url) or self.region

    @property
    def _elsewhere(self) -> bool:
        """Whether requests go to another host than the service's, such as a gateway."""
        return bool(self.base_url) and not region_at(self.base_url)

    def _visitors_url(self, region: str) -> str:
        """Return the URL for visitors' keys: the operator's, unless it is a workspace's own.

        Such a workspace knows no key of a visitor.
        """
        return (
            BASE_URLS[region]
            if not self.base_url or workspace_at(urlsplit(self.base_url).hostname or "")
            else self.base_url
        )

    def _region_at(self, base_url: str) -> str:
        return region_at(base_url) or (self.region if "region" in self.model_fields_set else "")

    def _connection(
        self, key: str, base_url: str, workspace: str, currency: str = ""
    ) -> Connection:
        base_url = base_url.rstrip("/")
        region, secret = self._region_at(base_url), SecretStr(key)
        return Connection(
            backend="dashscope",
            base_url=base_url,
            region=region,
            workspace=workspace,
            key=secret,
            currency=currency,
        )


def load_settings() -> Settings:
    """Read the settings. Raises SettingsError: the setting, what was given, what is allowed."""
    try:
        settings = Settings()
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        given = "***" if field in _SECRETS else str(first["input"])[:_SHOWN]
        raise SettingsError.about(field, given, _describe_allowed(field)) from None
    _check_service(settings)
    _check_sharing(settings)
    _check_spending(settings)
    return settings


def _check_service(settings: Settings) -> None:
    """Raise SettingsError where a setting of service, key or network is malformed."""
    if settings.base_url and not is_service_url(settings.base_url):
        allowed = "a URL that starts with https:// or http:// and ends in /api/v1"
        raise SettingsError.about("DASHSCOPE_BASE_URL", settings.base_url, allowed)
    if settings.public_url and (
        not is_plain_url(settings.public_url) or "@" in settings.public_url
    ):
        allowed = "a URL that starts with https:// or http://, such as https://films.example/wan"
        raise SettingsError.about("WAN_PUBLIC_URL", settings.public_url, allowed)
    if not WORKSPACE_SHAPE.fullmatch(settings.workspace) or KEY_SHAPE.fullmatch(settings.workspace):
        raise SettingsError(Message.of("workspace_malformed", field="DASHSCOPE_WORKSPACE"))
    # Each of these raises SettingsError for a malformed value.
    (
        settings.key(),
        settings._key_in_file(),
        settings.users,
        settings.operators,
        settings.metrics_readers,
        settings.trusted_proxies,
        settings.host_names,
        settings.outward_proxy,
    )


def _check_sharing(settings: Settings) -> None:
    """Raise SettingsError where a shared library would show every video to whoever comes by."""
    reached = (settings.space_id, settings.hosts, settings.proxies, settings.root_path)
    is_open = any((*reached, settings.public_url)) or settings.server_name not in _THIS_COMPUTER
    if settings.shared_library and is_open and not settings.users:
        allowed = (
            "it with WAN_LOGINS, or where only this computer reaches the page "
            "(GRADIO_SERVER_NAME=127.0.0.1): everybody who opens it sees every video"
        )
        raise SettingsError.about("WAN_SHARED_LIBRARY", "true", allowed)


def _check_spending(settings: Settings) -> None:
    """Raise SettingsError where others could spend without a limit that holds."""
    if settings.mcp and settings.users:
        raise SettingsError.about("WAN_MCP", "true", "it without WAN_LOGINS: agents can't sign in")
    if (
        settings.mcp
        and settings.backend == "dashscope"
        and not (settings.access_code or settings.daily_budget)
    ):
        allowed = "it with WAN_ACCESS_CODE or WAN_DAILY_BUDGET: an agent spends without asking"
        raise SettingsError.about("WAN_MCP", "true", allowed)
    if settings.budget_per_person is not None and not settings.users:
        allowed = "it with WAN_LOGINS, which tells people apart"
        raise SettingsError.about("WAN_BUDGET_PER_PERSON", str(settings.budget_per_person), allowed)
    for name, budget in (
        ("WAN_DAILY_BUDGET", settings.daily_budget),
        ("WAN_BUDGET_PER_PERSON", settings.budget_per_person),
    ):
        if budget is None or settings.backend != "dashscope" or settings.connection().region:
            continue
        allowed = (
            "it only where prices are known: set DASHSCOPE_REGION to the region whose "
            "prices DASHSCOPE_BASE_URL has"
        )
        raise SettingsError.about(name, str(budget), allowed)


def _describe_allowed(alias: str) -> str:
    """Describe the allowed values of a setting."""
    field = next(one for one in Settings.model_fields.values() if one.alias == alias)
    if field.description:
        return field.description
    parts = get_args(field.annotation)
    if choices := [one for one in parts if isinstance(one, str) and one]:
        return f"{', '.join(choices[:-1])} or {choices[-1]}"
    kind = next(
        (words for one, words in _KINDS.items() if one in (field.annotation, *parts)), "text"
    )
    low, high, above = (
        next((getattr(bound, name) for bound in field.metadata if hasattr(bound, name)), None)
        for name in ("ge", "le", "gt")
    )
    if low is None:
        return kind if above is None else f"{kind} above {above}, {high} at most"
    return f"{kind}, {low} or more" if high is None else f"{kind} from {low} to {high}"
