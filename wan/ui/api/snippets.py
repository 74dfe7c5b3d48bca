"""The examples of a call that *Use via API* shows.

Gradio's own name every parameter, have "..." in the place of a file, and know nothing of the header
that says who calls (gradio 6.31.0).
"""

import json
from collections.abc import Mapping
from typing import Any

from gradio import routes

PLACE = "https://example.com/"
"""What the example of a file begins with: a program that has the file gives that instead."""
_HEADERS = {"X-Wan-Token": "a long secret of your own, 32 characters or more"}


def install_snippets() -> None:
    """Have Gradio show these examples in the place of its own."""
    theirs: Any = routes
    theirs.generate_code_snippets = write_snippets
    theirs.generate_cli_snippet = write_commands


def write_snippets(
    api_name: str, endpoint: Mapping[str, Any], root: str, **_: Any
) -> dict[str, str]:
    """Return a call of an endpoint in each language, with nothing but the required parameters.

    api_name: its name after a slash. endpoint: as `get_api_info` describes it. root: the app's own
    URL.
    """
    given, home = _examples(endpoint), root.rstrip("/")
    return {
        "python": _write_python(api_name, given, home),
        "javascript": _write_javascript(api_name, given, home),
        "bash": _write_bash(api_name, given, home),
    }


def write_commands(endpoints: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return a call of each endpoint by Gradio's own command, which sends no header."""
    return {
        name: f"{{command}} predict {{space_id}} {name} '{json.dumps(_examples(endpoint))}'\n"
        for name, endpoint in endpoints.items()
    }


def _examples(endpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Return an example of each required parameter."""
    return {
        one["parameter_name"]: one["example_input"]
        for one in endpoint["parameters"]
        if not one["parameter_has_default"]
    }


def _write_python(api_name: str, given: Mapping[str, Any], home: str) -> str:
    values = {name: _as_python(value) for name, value in given.items()}
    handles = ", handle_file" if "handle_file(" in "".join(values.values()) else ""
    return "\n".join(
        (
            f"from gradio_client import Client{handles}",
            "",
            "client = Client(",
            f'    "{home}",',
            f"    headers={json.dumps(_HEADERS)},",
            ")",
            "result = client.predict(",
            *(f"    {name}={value}," for name, value in values.items()),
            f'    api_name="{api_name}",',
            ")",
            "print(result)",
        )
    )


def _as_python(value: Any) -> str:
    """Return a value as Python writes it; the link to a file as that file on this machine."""
    if isinstance(value, list):
        return f"[{', '.join(map(_as_python, value))}]"
    if isinstance(value, str) and value.startswith(PLACE):
        return f'handle_file("{value.removeprefix(PLACE)}")'
    return json.dumps(value)


def _write_javascript(api_name: str, given: Mapping[str, Any], home: str) -> str:
    return "\n".join(
        (
            'import { Client } from "@gradio/client";',
            "",
            f'const client = await Client.connect("{home}", {{',
            f"  headers: {json.dumps(_HEADERS)},",
            "});",
            f'const result = await client.predict("{api_name}", {{',
            *(f"  {name}: {json.dumps(value)}," for name, value in given.items()),
            "});",
            "console.log(result.data);",
        )
    )


def _write_bash(api_name: str, given: Mapping[str, Any], home: str) -> str:
    headers = {"Content-Type": "application/json"} | _HEADERS
    return "\n".join(
        (
            f"EVENT_ID=$(curl -s {home}/gradio_api/call/v2{api_name} \\",
            *(f"  -H '{name}: {value}' \\" for name, value in headers.items()),
            f"  -d '{json.dumps(given)}' | cut -d '\"' -f 4)",
            f"curl -N {home}/gradio_api/call{api_name}/$EVENT_ID",
        )
    )
