"""The meaning of the service's refusals, and the messages about them."""

import re

import httpx

from wan.domain.catalog import BASE_URLS, SOUND_MEGABYTES, SOUND_SECONDS
from wan.domain.messages import Message
from wan.environment.connection import Connection

# Codes about the account rather than the request, by their letters, since the service writes some
# of them in two ways (help centre, error codes, May 2026). Values: `wan.domain.messages.CAUSES`.
CAUSES = {
    "invalidapikey": "key_unknown",
    "invalidaccesstokenortokenexpired": "key_unknown",
    "allocationquotafreetieronly": "free_quota_used",
    "throttlingallocationquota": "quota_used_up",
    "insufficientquota": "quota_used_up",
    "accessdeniedunpurchased": "not_activated",
    "modelaccessdenied": "model_denied",
    "workspaceaccessdenied": "workspace_denied",
    "workspacenotfound": "workspace_denied",
    "notauthorized": "workspace_denied",
    "endpointaccessdenied": "model_withdrawn",
    "modelnotfound": "model_missing",
    "arrearage": "arrears",
    "commoditynotpurchased": "arrears",
    "prepaidbilloverdue": "arrears",
    "postpaidbilloverdue": "arrears",
}

# Causes of a 429 after which the same request may be sent again.
PASSING_429 = frozenset({"", "quota_used_up"})
# Failures of a task after which the same request may well succeed (help centre, error codes).
PASSES = (
    "InternalError",
    "SystemError",
    "ModelServ",
    "ModelUnavailable",
    "RewriteFailed",
    "RequestTimeOut",
    "Throttling",
    "InvalidURL.Timeout",
)
# The service could not fetch a URL; the same family has codes about what it found there, which the
# message tells apart.
_UNFETCHED = ("InvalidURL", "BadRequest.InputDownloadFailed", "InvalidFile.DownloadFailed")
_FETCHING = re.compile(r"\bdownload|media resource", re.IGNORECASE)
_OF_FILE = re.compile(r"(?:larger|longer|shorter) than|type is not supported", re.IGNORECASE)
# Messages about a sound, under codes for everything (help centre, error codes, May 2026).
_OF_SOUND = re.compile(
    r"input audio|allowed types are: *\.wav|size is larger than 15 *MB", re.IGNORECASE
)
_CONTENT = ("DataInspectionFailed", "IPInfringementSuspect", "CustomRoleBlocked")
# Codes that these calls may get (help centre, error codes, May 2026).
_DOCUMENTED = (
    *("InvalidParameter", "InvalidParameter.DataInspection", "InvalidURL", "InvalidURL.Timeout"),
    *("InvalidURL.ConnectionRefused", "InvalidFile.Size", "InvalidFile.Duration"),
    *("InvalidFile.Format", "InvalidFile.Resolution", "InvalidFile.AspectRatio", "InvalidFile.FPS"),
    *("BadRequest.TooLarge", "BadRequest.EmptyInput", "BadRequest.EmptyModel"),
    *("BadRequest.IllegalInput", "BadRequest.InputDownloadFailed", "UnsupportedOperation"),
    *_CONTENT,
    *("InvalidApiKey", "NotAuthorized", "AccessDenied", "AccessDenied.Unpurchased", "Arrearage"),
    *("AllocationQuota.FreeTierOnly", "App.AccessDenied", "Endpoint.AccessDenied"),
    *("Model.AccessDenied", "Workspace.AccessDenied", "WorkspaceNotFound", "ModelNotFound"),
    *("NotFound", "Throttling", "Throttling.RateQuota", "Throttling.AllocationQuota"),
    *("Throttling.BurstRate", "CommodityNotPurchased", "PrepaidBillOverdue", "PostpaidBillOverdue"),
    *("InternalError", "InternalError.Algo", "InternalError.Timeout", "ModelServiceFailed"),
    *("RewriteFailed", "ModelServingError", "ModelUnavailable"),
)


def explain(code: str, message: str, otherwise: str, connection: Connection) -> Message:
    """Return the message for a code: its known meaning, or `otherwise` with the service's words."""
    where, others = (
        connection.region or host_of(connection),
        ", ".join(region for region in BASE_URLS if region != connection.region),
    )
    if cause := find_cause(code, message):
        return Message.of(cause, code=code, where=where, others=others)
    if code.startswith(_CONTENT):
        return Message.of("content_refused", code=code)
    if _OF_SOUND.search(message):
        low, high = SOUND_SECONDS
        return Message.of(
            "sound_refused",
            code=code,
            message=_end_with_stop(message),
            low=f"{low:g}",
            high=f"{high:g}",
            most=SOUND_MEGABYTES,
        )
    if _is_unfetched(code, message):
        otherwise = "address_unfetched"
    return Message.of(otherwise, code=code, message=_end_with_stop(message), where=where)


def _end_with_stop(message: str) -> str:
    """End the service's words with a full stop, since ours follow."""
    return message if message.rstrip()[-1:] in (*".!?…。！？", "") else f"{message.rstrip()}."


def describe_block(status: int, where: str) -> Message:
    """Return the message for a refusal that is not the service's own. where: the host asked."""
    return Message.of("blocked", code=f"HTTP {status}", where=where)


def describe_unusable(response: httpx.Response, where: str) -> Message:
    """Return the message for an unusable answer; we ask again. where: the host asked."""
    return Message.of(
        "blocked_waits" if is_html(response) else "unusable",
        code=f"HTTP {response.status_code}",
        where=where,
    )


def is_html(response: httpx.Response) -> bool:
    """Tell whether an answer is a web page."""
    return "html" in response.headers.get("content-type", "")


def host_of(connection: Connection) -> str:
    """Return the host of a connection."""
    return httpx.URL(connection.base_url).host


def find_cause(code: str, message: str) -> str:
    """Return the key of the message about the account's trouble; "" for any other trouble."""
    if "Free allocated quota" in message:
        return "free_quota_over"
    if "Model not exist" in message:
        return "model_missing"
    return CAUSES.get(_letters(code), "")


def documented_code(code: str) -> str:
    """Return a code as the documentation writes it: "none" for none, "other" for one that is not
    in there.
    """
    return _BY_LETTERS.get(_letters(code), "other") if code else "none"


def _letters(code: str) -> str:
    return re.sub("[^a-z]", "", code.lower())


_BY_LETTERS = {_letters(code): code for code in _DOCUMENTED}


def _is_unfetched(code: str, message: str) -> bool:
    told = code.startswith(_UNFETCHED) or (
        code.startswith("InvalidParameter") and _FETCHING.search(message)
    )
    return bool(told) and not _OF_FILE.search(message)
