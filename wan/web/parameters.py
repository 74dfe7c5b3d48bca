"""Named parameters of public endpoints: over MCP, and under `/call/v2/` of HTTP."""

from collections.abc import Iterable, Mapping
from typing import Any

from wan.domain.errors import InvalidInput
from wan.domain.validation import unknown_field


def require_parameters(endpoints: Mapping[str, Any], endpoint: str, given: Iterable[str]) -> None:
    """Check that a call names only parameters of its endpoint, and all required ones.

    endpoints: as described by Gradio's `get_api_info`; an unknown endpoint is not checked. Raises
    InvalidInput.
    """
    known = endpoints.get(f"/{endpoint}", {}).get("parameters", [])
    names = [one["parameter_name"] for one in known]
    for name in given if known else ():
        if name not in names:
            raise unknown_field(name, names)
    for one in known:
        if not one["parameter_has_default"] and one["parameter_name"] not in given:
            raise InvalidInput(one["parameter_name"], "field_missing")
