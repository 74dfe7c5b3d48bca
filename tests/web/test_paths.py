"""Paths of the page's files, and what of them is sent."""

import pytest

from wan.web import paths


@pytest.mark.parametrize(
    ("kind", "written", "sent"),
    [
        (
            "js",
            '// Goes.\nopen("https://a.example"); // stays\n  // goes\n  close();\n',
            'open("https://a.example"); // stays\n  close();\n',
        ),
        (
            "css",
            "/* Goes,\nall of it. */\na { b: c } /* goes */\nd { e: f }\n",
            "a { b: c } d { e: f }\n",
        ),
    ],
)
def test_comments_are_not_sent(tmp_path, monkeypatch, kind: str, written: str, sent: str):
    monkeypatch.setattr(paths, "ASSETS", tmp_path)
    (tmp_path / f"a.{kind}").write_text(written)
    assert paths.read_assets(kind, "a") == sent
