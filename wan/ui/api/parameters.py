"""What the endpoints take, from the table of request fields, and how they are published.

Gradio makes a JSON schema of each parameter's type hint and has no place for limits in one:
`Annotated[int, Field(ge=2, le=15)]` comes out as {"type": "integer"} (gradio 6.31.0). What the
component behind a parameter says of itself is published as it is, though, in `/gradio_api/info` as
in the inputSchema of MCP. So each gets the schema that pydantic makes of the request's field.
"""

import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from wan.domain.catalog import MODELS
from wan.domain.fields import FIRST_PARAMETERS, RequestField, fields_of
from wan.domain.requests import ImageToVideoRequest, ReferenceToVideoRequest, Request
from wan.ui.api.snippets import PLACE
from wan.ui.inputs import describe

LONGEST_WAIT = 600  # seconds that one call may stay open
WAIT = 240.0  # seconds; longer than most runs, shorter than what most clients put up with
AGENT_WAIT = 40.0  # seconds; agents' clients give up after 60, and do not see the answer
REQUIRED: Any = inspect.Parameter.empty

Answer = dict[str, Any]
Endpoint = Callable[..., Coroutine[Any, Any, Answer]]

_FILE: Mapping[str, Any] = {
    "anyOf": [{"type": "string"}, {"type": "object", "additionalProperties": {}}]
}
_SECONDS = {"type": "number", "minimum": 0, "maximum": LONGEST_WAIT}
_NONE = {"type": "null"}
_MOST_REFERENCES = max(model.max_references for model in MODELS.values())
_PROMPTS: Mapping[type[Request], str] = {
    ImageToVideoRequest: "She turns to the camera and smiles.",
    ReferenceToVideoRequest: "character1 walks through a meadow.",
}
"""What the examples of a call ask for."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of an endpoint."""

    name: str
    about: str
    schema: Mapping[str, Any]
    """JSON schema of its values."""
    default: Any = REQUIRED
    holds_files: bool = False
    example: Any = None
    """A value that the examples of a call have; of a required parameter."""


JOB_ID = Parameter(
    "job_id",
    "The ID that image_to_video or reference_to_video returned.",
    {"type": "string"},
    example="JOB_ID",
)
JOB_WAIT = Parameter("wait", "Seconds to wait for the job to end, 0 to 600.", _SECONDS, 0)
_NEW_TAKE = Parameter(
    "new_take",
    "Run and pay again, even if the same video was made before.",
    {"type": "boolean"},
    default=False,
)
_WAIT = Parameter(
    "wait",
    "Seconds to wait for the video, 0 to 600. If left out, 240; over MCP, 40.",
    {"anyOf": [_SECONDS, _NONE]},
    None,
)
_IMAGE = Parameter(
    "reference_image",
    "First frame: JPEG, PNG, BMP, WebP, HEIC or AVIF up to 20 MB.",
    _FILE,
    holds_files=True,
    example=f"{PLACE}picture.png",
)
_REFERENCES = Parameter(
    "references",
    "1 to 5 files, at most 3 of them videos (MP4 or MOV, 1 to 30 s).",
    {"type": "array", "items": _FILE, "minItems": 1, "maxItems": _MOST_REFERENCES},
    holds_files=True,
    example=[f"{PLACE}person.mp4"],
)
_SOUND = Parameter(
    "reference_audio",
    "Use instead of audio_url: WAV or MP3 of 3 to 30 s, up to 15 MB.",
    {"anyOf": [*_FILE["anyOf"], _NONE]},
    None,
    holds_files=True,
)


def list_image_parameters() -> list[Parameter]:
    """Return the parameters of `image_to_video`, in their order."""
    return _arrange(ImageToVideoRequest, _IMAGE, later=[_SOUND])


def list_reference_parameters() -> list[Parameter]:
    """Return the parameters of `reference_to_video`, in their order."""
    return _arrange(ReferenceToVideoRequest, _REFERENCES, later=[])


def _arrange(kind: type[Request], files: Parameter, later: list[Parameter]) -> list[Parameter]:
    """Return all parameters. later: what has been added behind the others before."""
    schemas = kind.model_json_schema()["properties"]
    rows = {row.name: row for row in fields_of(kind.makes()) if "const" not in schemas[row.name]}
    made = {name: _make(kind, row, schemas[name]) for name, row in rows.items()}
    first = [made[name] for name in FIRST_PARAMETERS if name in made]
    newer = [made[name] for name in made if name not in FIRST_PARAMETERS]
    return [first[0], files, *first[1:], _NEW_TAKE, _WAIT, *later, *newer]


def _make(kind: type[Request], row: RequestField, schema: Mapping[str, Any]) -> Parameter:
    limits = {name: value for name, value in schema.items() if name not in ("title", "default")}
    if row.name == "prompt":  # a program that forgot it would pay for nothing that it meant
        example = _PROMPTS[kind]
        return Parameter(row.name, row.about, {**limits, "minLength": 1}, example=example)
    return Parameter(row.name, row.about, limits, row.default)


def publish(demo: gr.Blocks, endpoint: Endpoint, parameters: Sequence[Parameter]) -> None:
    """Add an endpoint to the page's API, under its name and with what its docstring says of it."""
    function = _make_function(endpoint, parameters)
    gr.events.api(function, api_name=endpoint.__name__, concurrency_limit=None)
    parts = max(demo.fns.items())[1].inputs
    part: Any
    for parameter, part in zip(parameters, parts, strict=True):
        part._api_info = {**parameter.schema, "description": parameter.about}
        describe(
            part,
            parameter.name,
            parameter.default,
            files=parameter.holds_files,
            example=parameter.example,
        )


def _make_function(endpoint: Endpoint, parameters: Sequence[Parameter]) -> Endpoint:
    """Return the endpoint as Gradio reads one: parameters by place, described in the docstring."""
    names = [one.name for one in parameters]

    async def call(request: gr.Request, *given: Any) -> Answer:
        return await endpoint(request, **dict(zip(names, given, strict=True)))

    place = inspect.Parameter.POSITIONAL_OR_KEYWORD
    signature = [inspect.Parameter("request", place, annotation=gr.Request)] + [
        inspect.Parameter(one.name, place, default=one.default, annotation=Any)
        for one in parameters
    ]
    about, _, returns = (inspect.getdoc(endpoint) or "").partition("Returns:")
    lines = [f"{one.name}: {one.about}" for one in parameters]
    whole: Any = call
    whole.__name__ = endpoint.__name__
    whole.__doc__ = "\n".join([about.strip(), "", "Parameters:", *lines, f"Returns:{returns}"])
    whole.__signature__ = inspect.Signature(signature, return_annotation=Answer)
    whole.__annotations__ = {one.name: one.annotation for one in signature} | {"return": Answer}
    return whole  # type: ignore[no-any-return]
