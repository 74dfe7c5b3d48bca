"""Blocks whose handlers get exactly the types that their components give on the page, whatever a
forged form holds.

Gradio's own checks let much through (a dict for a checkbox, a list for a dropdown, NaN for a
slider, text of any length, any path of the server for a picture), and whatever they do find ends as
a traceback in the log for each request. So no file value ever reaches Gradio on its way in: each is
looked up here among the uploads and the samples, and only a file that is there goes on to the
handler. On its way out it gets the name that it has outside.
"""

import asyncio
import math
from collections.abc import Sequence
from copy import copy
from inspect import Parameter
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.blocks import Block
from gradio.components.api_component import Api
from gradio.data_classes import APIInfo, BlocksConfigDict
from gradio.state_holder import SessionState

from wan.domain.errors import InvalidInput
from wan.domain.messages import t
from wan.domain.quoting import quote_value
from wan.storage.uploads import UploadFolder
from wan.ui.handling import EventError
from wan.web.events import Events
from wan.web.languages import PATHS

_LONGEST = 20_000  # characters; five addresses of 2,048 and more than any prompt
_MOST = 20  # files
_CARRIED = _LONGEST + 1000  # characters of an event: one text, and ids beside it

_TYPES: dict[type[Block], tuple[type, ...]] = {
    gr.Textbox: (str, type(None)),
    gr.Dropdown: (str,),
    gr.Radio: (str,),
    gr.Checkbox: (bool,),
    gr.Slider: (int, float),
    gr.BrowserState: (str,),
    gr.Image: (Path, type(None)),
    gr.File: (list, type(None)),
    gr.UploadButton: (Path, type(None)),
}
_META = {"_type": "gradio.FileData"}
_FILE_COMPONENTS = (gr.Image, gr.File, gr.UploadButton)
_NESTING = 3  # a list of files is 1 deep


class _NotHere(Exception):
    """A file value that leads to no file of ours, or stands where none belongs.

    Says for which parameter, where it has a name.
    """


class Page(gr.Blocks):
    """Blocks whose handlers can rely on the types of what they get, and on an open studio.

    Other input is refused in one sentence. opened: set when the studio is open; whoever comes
    earlier waits for it. uploads: the files that a form may name.
    """

    def __init__(
        self, *given: Any, opened: asyncio.Event, uploads: UploadFolder, **more: Any
    ) -> None:
        super().__init__(*given, **more)
        self._opened, self._uploads, self.progress = opened, uploads, Events(self)

    def get_config_file(self) -> BlocksConfigDict:
        """Do as Gradio does, but give each page the endpoints for programs, whose description it
        shows, and none a bar that leads to the others.
        """
        config = super().get_config_file()
        config["pages"] = config["pages"][:1]
        config["connect_heartbeat"] = False  # the guard lets none through
        public = [one for one in config["dependencies"] if one["api_visibility"] == "public"]
        parts = {part for one in public for part in one["inputs"] + one["outputs"]}
        pages: list[Any] = list(config["page"].values())
        shown = [one for one in pages[0]["layout"]["children"] if one["id"] in parts]
        for page in pages[1:]:
            page["components"] += sorted(parts)
            page["dependencies"] += [one["id"] for one in public]
            page["layout"]["children"] += shown
        _drop_repeated_schemas(config)
        return config

    def get_api_info(
        self,
        all_endpoints: bool = False,  # noqa: FBT001, FBT002 - Gradio gives it by place
        page: str | None = None,
    ) -> APIInfo:
        """Return the endpoints for programs, whichever page asks, with what their parameters are:
        Gradio names each after a component, and says of none what it is for (gradio 6.31.0).
        """
        info = super().get_api_info(all_endpoints)
        for function in self.fns.values():
            known = info["named_endpoints"].get(f"/{function.api_name}")
            if known and function.api_visibility == "public":
                for block, parameter in zip(function.inputs, known["parameters"], strict=True):
                    if name_of(block):
                        _describe_parameter(block, parameter)
        return info

    async def preprocess_data(
        self, block_fn: Any, inputs: Any, state: Any, *more: Any
    ) -> list[Any]:
        """Do as Gradio does, but for files, which it never sees.

        Raises gr.Error, which goes to the page and not to the log.
        """
        await self._opened.wait()
        try:
            whole = [*inputs, *_fill_in_defaults(block_fn.inputs, len(inputs))]
            plain, files = await asyncio.to_thread(self._find_files, block_fn.inputs, whole)
            values: list[Any] = await super().preprocess_data(block_fn, plain, state, *more)
        except InvalidInput as missing:
            raise EventError(missing.message.say()) from None
        except _NotHere as not_here:
            raise _make_error(block_fn, "file_gone", str(not_here)) from None
        except gr.Error as error:
            error.print_exception = False
            raise
        except Exception:  # noqa: BLE001 - pydantic's, PIL's, the file system's: all of them mean a form that no page sent
            raise _make_error(block_fn, "form_bad") from None
        for place, value in files.items():
            values[place] = value
        if not all(
            is_plausible(block, value) for block, value in zip(block_fn.inputs, values, strict=True)
        ):
            raise _make_error(block_fn, "form_bad")
        return values

    async def process_api(self, *given: Any, **named: Any) -> dict[str, Any]:
        """As Gradio does it; what an event carries are a few short texts, or nothing."""
        if event := named.get("event_data"):
            named["event_data"] = gr.EventData(event.target, _short_texts(event._data))
        return await super().process_api(*given, **named)

    async def postprocess_data(
        self, block_fn: Any, predictions: Any, state: SessionState | None
    ) -> list[Any]:
        """Do as Gradio does; a file goes out under the name that it has outside.

        What is skipped stays away from Gradio, which makes a component of it and describes that
        twice (gradio 6.31.0): 2 ms of the event loop for each, and most events skip something.
        """
        values = predictions if len(block_fn.outputs) > 1 else [predictions]
        if not isinstance(values, list | tuple) or len(values) != len(block_fn.outputs):
            return await super().postprocess_data(block_fn, predictions, state)
        rest = copy(block_fn)
        rest.outputs, given = [], []
        for block, value in zip(block_fn.outputs, values, strict=True):
            if not _is_skipped(value):
                rest.outputs.append(block)
                given.append(value)
        shown = given if len(given) != 1 else given[0]
        processed = iter(await super().postprocess_data(rest, shown, state) if given else [])
        return [
            value if _is_skipped(value) else self._name_files(next(processed)) for value in values
        ]

    def _find_files(
        self, blocks: Sequence[Block], inputs: Sequence[Any]
    ) -> tuple[list[Any], dict[int, Any]]:
        """Return the inputs without their files, and the paths of those by their places.

        Blocks. Raises _NotHere and InvalidInput.
        """
        plain, files = list(inputs), {}
        for place, (block, value) in enumerate(zip(blocks, inputs, strict=False)):
            if not may_hold_files(block):
                _require_no_file(block, value)
            else:
                files[place], plain[place] = self._replace_files(block, value), None
        return plain, files

    def _replace_files(self, block: Block, value: Any, depth: int = 0) -> Any:
        """Return a value with the paths of its files in place of what stands for them.

        Beside files, only endpoints for programs take text.
        """
        if isinstance(value, dict):
            return self._find_file(block, value)
        if isinstance(value, list) and depth < (
            _NESTING if isinstance(block, Api) else isinstance(block, gr.File)
        ):
            return [self._replace_files(block, one, depth + 1) for one in value]
        if isinstance(value, list) or not (isinstance(block, Api) or (value is None and not depth)):
            raise _NotHere(name_of(block))
        return value

    def _find_file(self, block: Block, value: dict[str, Any]) -> Path:
        path = self._uploads.find(value.get("path")) if value.get("meta") == _META else None
        if path is None:
            raise _NotHere(name_of(block))
        return path

    def _name_files(self, value: Any) -> Any:
        """Return a value with the names of its files in place of their paths."""
        if isinstance(value, dict):
            if value.get("meta") == _META and "path" in value:
                return value | file_value(self._uploads, Path(value["path"]))
            return {key: self._name_files(one) for key, one in value.items()}
        return (
            [self._name_files(one) for one in value] if isinstance(value, list | tuple) else value
        )


def _is_skipped(value: object) -> bool:
    return isinstance(value, dict) and value == gr.skip()


def _drop_repeated_schemas(config: BlocksConfigDict) -> None:
    """Leave out schemas that only repeat a component's own: an eighth of what a page loads.

    Gradio falls back to `api_info` where they are missing (gradio 6.31.0).
    """
    for component in config["components"]:
        for name in ("api_info_as_input", "api_info_as_output"):
            if name in component and component[name] == component["api_info"]:
                del component[name]


def _short_texts(carried: object) -> dict[str, str]:
    """What an event carries, where that is what a component of ours sends. Gradio neither checks
    nor limits it (6.31.0), and takes what looks like a file for one.
    """
    if not isinstance(carried, dict):
        return {}
    texts = {name: value for name, value in carried.items() if isinstance(value, str)}
    fits = sum(len(name) + len(value) for name, value in texts.items()) <= _CARRIED
    return texts if fits and len(texts) == len(carried) else {}


def file_value(uploads: UploadFolder, path: Path) -> dict[str, Any]:
    """Return a file of ours as a component gives it to the browser."""
    name = uploads.name(path)
    return {
        "path": name,
        "url": f"/gradio_api/file={quote(name)}",
        "orig_name": path.name,
        "meta": _META,
    }


def describe(block: Block, name: str, default: Any, *, files: bool, example: Any) -> None:
    """Note what a parameter of an endpoint for programs is called, its value unless it is given,
    whether it may hold files, and what an example of a call has.
    """
    block.wan_name, block.wan_default, block.wan_files = name, default, files  # type: ignore[attr-defined]
    block.wan_example = example  # type: ignore[attr-defined]


def _describe_parameter(block: Any, parameter: Any) -> None:
    """Say in Gradio's description of a parameter that `describe` has noted what it is for."""
    parameter["label"], parameter["example_input"] = name_of(block), block.wan_example
    parameter["python_type"]["description"] = parameter["type"]["description"]


def name_of(block: Block) -> str:
    """Return the name of a parameter; "" for a component of the page."""
    return getattr(block, "wan_name", "")


def may_hold_files(block: Block) -> bool:
    """Tell whether a value of this component can be a file."""
    return isinstance(block, _FILE_COMPONENTS) or getattr(block, "wan_files", False)


def _fill_in_defaults(blocks: Sequence[Block], given: int) -> list[Any]:
    """Return the values of an endpoint's parameters behind the first so many.

    Raises InvalidInput for one that has no default, or where too many are given.
    """
    if not blocks or not name_of(blocks[0]):
        return []
    if given > len(blocks):
        raise InvalidInput("data", "parameters_many", given=given, high=len(blocks))
    missing = blocks[given:]
    for block in missing:
        if block.wan_default is Parameter.empty:  # type: ignore[attr-defined]
            raise InvalidInput(name_of(block), "field_missing")
    return [block.wan_default for block in missing]  # type: ignore[attr-defined]


def _require_no_file(block: Block, value: object) -> None:
    """Refuse a value that could stand for a file where none belongs.

    Raises InvalidInput for a program's, which has no file in mind; _NotHere for a page's.
    """
    if isinstance(value, dict) or (
        isinstance(value, list) and any(isinstance(one, dict | list) for one in value)
    ):
        if isinstance(block, Api):
            allowed = "text, a number, true or false"
            raise InvalidInput(
                name_of(block), "field_type", given=quote_value(value), allowed=allowed
            )
        raise _NotHere(name_of(block))


def is_plausible(block: Block, value: object) -> bool:
    """Tell whether a component of this kind can have given this value."""
    if isinstance(block, Api):  # the requests check what programs give, field by field
        return True
    types = next((types for kind, types in _TYPES.items() if isinstance(block, kind)), ())
    if isinstance(block, gr.File) and block.file_count == "single":
        types = _TYPES[gr.UploadButton]
    if types and (not isinstance(value, types) or (isinstance(value, bool) and bool not in types)):
        return False
    if isinstance(value, float):
        return math.isfinite(value)
    return not isinstance(value, str | list) or len(value) <= (
        _LONGEST if isinstance(value, str) else _MOST
    )


def _make_error(function: BlockFunction, key: str, name: str = "") -> EventError:
    """Make a refusal in the language of the page; in all languages for a program.

    name: of the parameter that is to blame, where it has one.
    """
    program = function.api_visibility == "public"
    spoken = [one for one, path in PATHS.items() if program or path.strip("/") == function.page]
    return EventError(f"{name + ': ' if name else ''}{' '.join(t(one, key) for one in spoken)}")
