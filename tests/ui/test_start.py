"""What Gradio does at a start beside what is needed for the page, and is kept from."""

import asyncio
import importlib
import sys

import gradio
import pytest
from gradio.routes import App

from wan.environment.settings import load_settings
from wan.service.studio import Studio
from wan.ui import page, stubs


def test_gradio_is_imported_without_writing_stubs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    monkeypatch.delitem(sys.modules, "gradio.component_meta")
    monkeypatch.setattr(gradio, "component_meta", None)
    stubs.write_no_stubs()
    imported = importlib.import_module("gradio.component_meta")
    assert imported.create_or_modify_pyi.__module__ == stubs.__name__
    assert imported.ComponentMeta.__module__ == "gradio.component_meta"


def test_a_gradio_that_is_there_writes_no_stubs_either(monkeypatch: pytest.MonkeyPatch):
    there = sys.modules["gradio.component_meta"]
    monkeypatch.setattr(there, "create_or_modify_pyi", print)
    stubs.write_no_stubs()
    assert there.create_or_modify_pyi.__module__ == stubs.__name__


@pytest.mark.anyio
async def test_the_page_is_built_without_a_server_and_gradio_can_make_one():
    before = App.create_app
    demo = page.build(Studio(load_settings()), asyncio.Event())
    assert demo.app is None
    assert App.create_app is before
    assert App.create_app(demo).get_blocks() is demo
