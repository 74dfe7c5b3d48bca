"""What Gradio looks for on the disk around each event."""

import sys
from importlib.abc import MetaPathFinder
from typing import Any

import pytest
from gradio.utils import MatplotlibBackendMananger

from wan.ui.gradio_patches import expect_no_matplotlib


class Noted(MetaPathFinder):
    """Notes what is searched for, and finds nothing."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def find_spec(self, name: str, *_: Any) -> None:
        self.names.append(name)


def test_what_is_not_installed_is_searched_for_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "matplotlib", raising=False)
    finder = Noted()
    monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])
    for _ in range(2):
        expect_no_matplotlib()
        with MatplotlibBackendMananger():
            pass
    assert finder.names == ["matplotlib"]
