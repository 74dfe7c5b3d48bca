"""The parameters of the endpoints for programs, where a call names them: over MCP, and under
`/call/v2/` of HTTP.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from wan.domain.errors import InvalidInput
from wan.domain.quoting import shorten


def require_parameters(endpoints: Mapping[str, Any], endpoint: str, given: Iterable[str]) -> None:
    """Whether a call names parameters of its endpoint, and all that it must.

    endpoints: as Gradio's `get_api_info` describes them. Raises InvalidInput; of an endpoint that
    there is not, nothing is known.
    """
    known = endpoints.get(f"/{endpoint}", {}).get("parameters", [])
    names = [one["parameter_name"] for one in known]
    for name in given if known else ():
        if name not in names:
            raise InvalidInput(shorten(name), "field_unknown", known=", ".join(names))
    for one in known:
        if not one["parameter_has_default"] and one["parameter_name"] not in given:
            raise InvalidInput(one["parameter_name"], "field_missing")
