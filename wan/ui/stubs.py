"""Keeps Gradio from writing type stubs, by `write_no_stubs`, before it is imported."""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType

_WRITER = "gradio.component_meta"


def write_no_stubs() -> None:
    """Keep Gradio from writing a `.pyi` beside every component that is imported (gradio 6.31.0).

    A type checker would believe those beside ours, and they go stale. Those beside Gradio's own
    come with it, and to compare them takes a third of its import.
    """
    if _WRITER in sys.modules:
        _silence(sys.modules[_WRITER])
    else:
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _WRITER:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.origin is not None:
            spec.loader = _Loader(fullname, spec.origin)
        return spec


class _Loader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        _silence(module)


def _silence(writer: ModuleType) -> None:
    writer.create_or_modify_pyi = lambda *_: None  # type: ignore[attr-defined]
