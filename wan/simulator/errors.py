"""The service's way to say no: a code, a message, and the HTTP status that goes with the code.

Source: Model Studio help centre, error codes, May 2026. Where a message is not documented the
wording here is ours, and plain.
"""

from typing import Any

CODES: dict[str, tuple[int, str]] = {
    "InvalidParameter": (400, "The parameter is invalid."),
    "InvalidParameter.DataInspection": (
        400,
        "Unable to download the media resource during the data inspection process.",
    ),
    "InvalidURL": (400, "The URL is invalid, please check the request URL."),
    "InvalidURL.ConnectionRefused": (400, "Connection to the URL was refused."),
    "InvalidURL.Timeout": (400, "The download of the URL timed out."),
    "InvalidFile.Size": (400, "The file is too large."),
    "InvalidFile.Duration": (400, "The duration of the file is out of range."),
    "InvalidFile.Format": (400, "The format of the file is not supported."),
    "InvalidFile.Resolution": (400, "The resolution of the file is out of range."),
    "InvalidFile.AspectRatio": (400, "The aspect ratio of the file is out of range."),
    "InvalidFile.FPS": (400, "The frame rate of the file is out of range."),
    "DataInspectionFailed": (400, "Input data may contain inappropriate content."),
    "IPInfringementSuspect": (400, "Input data is suspected of being involved in IP infringement."),
    "CustomRoleBlocked": (
        400,
        "Input or output data may contain inappropriate content with custom rule.",
    ),
    "Arrearage": (400, "Access denied, please make sure your account is in good standing."),
    "UnsupportedOperation": (
        400,
        "Failed to cancel the task, please confirm if the task is in PENDING status.",
    ),
    "BadRequest.TooLarge": (400, "Payload too large."),
    "BadRequest.EmptyInput": (400, "Required input parameter missing from request."),
    "BadRequest.EmptyModel": (400, "Required parameter model missing from request."),
    "BadRequest.IllegalInput": (400, "The input parameter requires json format."),
    "BadRequest.InputDownloadFailed": (400, "Failed to download the input file."),
    "InvalidApiKey": (401, "Invalid API-key provided."),
    "NOT AUTHORIZED": (
        401,
        "Access denied: Either you are not authorized to access this workspace, or the "
        "workspace does not exist.",
    ),
    "AccessDenied": (403, "Access denied."),
    "AccessDenied.Unpurchased": (
        403,
        "Access to model denied. Please make sure you are eligible for using the model.",
    ),
    "AllocationQuota.FreeTierOnly": (
        403,
        "The free tier of the model has been exhausted. If you wish to continue access the "
        "model on a paid basis, "
        'please disable the "use free tier only" mode in the management console.',
    ),
    "App.AccessDenied": (403, "App access denied."),
    "Endpoint.AccessDenied": (403, "Workspace endpoint access denied."),
    "Model.AccessDenied": (403, "Model access denied."),
    "Workspace.AccessDenied": (403, "Workspace access denied."),
    "ModelNotFound": (404, "The model does not exist."),
    "WorkSpaceNotFound": (404, "WorkSpace can not be found."),
    "NotFound": (404, "Not found."),
    "Throttling": (429, "Requests throttling triggered."),
    "Throttling.RateQuota": (429, "Requests rate limit exceeded, please try again later."),
    "Throttling.AllocationQuota": (
        429,
        "Allocated quota exceeded, please increase your quota limit.",
    ),
    "Throttling.BurstRate": (
        429,
        "Request rate increased too quickly. To ensure system stability, please adjust your "
        "client logic.",
    ),
    "CommodityNotPurchased": (429, "Commodity has not purchased yet."),
    "PrepaidBillOverdue": (429, "The prepaid bill is overdue."),
    "PostpaidBillOverdue": (429, "The postpaid bill is overdue."),
    "InternalError": (
        500,
        "An internal error has occured, please try again later or contact service support.",
    ),
    "InternalError.Algo": (500, "An internal error has occured during algorithm execution."),
    "InternalError.Timeout": (
        500,
        "An internal timeout error has occured during execution, please try again later.",
    ),
    "ModelServiceFailed": (500, "Failed to request model service."),
    "RewriteFailed": (500, "Failed to rewrite content for prompt."),
    "ModelServingError": (
        503,
        "Too many requests. Your requests are being throttled due to system capacity limits.",
    ),
    "ModelUnavailable": (503, "Model is unavailable, please try again later."),
}

_BY_STATUS = {
    400: "InvalidParameter",
    401: "InvalidApiKey",
    403: "AccessDenied",
    404: "NotFound",
    429: "Throttling.RateQuota",
    503: "ModelServingError",
}


class Refusal(Exception):
    """No, with a reason. Raised while a request is read it becomes an HTTP answer; raised in a task
    it becomes its FAILED end.

    `code` is one of the service's, `message` its documented text unless another is given, `status`
    the HTTP status.
    """

    def __init__(self, code: str, message: str = "") -> None:
        self.status, documented = CODES.get(code, (400, "The task failed."))
        self.code, self.message = code, message or documented
        super().__init__(f"{self.code}: {self.message}")

    def body(self, request_id: str) -> dict[str, Any]:
        """The JSON body of the answer that carries this refusal."""
        return {"code": self.code, "message": self.message, "request_id": request_id}


def refusal_of_status(status: int) -> Refusal:
    """The refusal that an HTTP status usually carries; InternalError for a status with no code of
    its own.
    """
    refusal = Refusal(_BY_STATUS.get(status, "InternalError"))
    refusal.status = status
    return refusal
