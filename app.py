"""Wan Studio: `python app.py` serves the page on port 7860, on Hugging Face Spaces too.

GRADIO_SERVER_NAME and GRADIO_SERVER_PORT move it.
"""

from wan.environment.process_exit import exit_with  # isort: split

import asyncio
import gc
import os
import sys

from wan.domain.errors import WanError
from wan.domain.redact import guard_logs
from wan.environment.settings import load_settings
from wan.environment.surroundings import set_aside
from wan.environment.utf8 import require_utf8

require_utf8()
guard_logs()
try:
    settings = load_settings()
    # Of our own and on one disk with the rest, so that it can be swept: /tmp/gradio is shared with
    # every other Gradio app of this machine.
    os.environ["GRADIO_TEMP_DIR"] = str(settings.make_upload_dir())
    set_aside()  # before Gradio is imported, which reads it
    # What is made until the app serves stays. To look through it takes a sixth of the start, and
    # then 0.2 s of each full collection, during which the app answers nobody.
    gc.disable()
    from wan.service.studio import Studio
    from wan.ui.page import build
    from wan.ui.server import Server

    studio, opened = Studio(settings), asyncio.Event()
    demo = build(studio, opened)
    gc.freeze()
    gc.enable()
    if __name__ == "__main__":
        Server(demo, studio, opened).run()
        exit_with(0)
except WanError as error:  # a setting, or a database that is stuck, full or read-only
    print(error, file=sys.stderr)
    exit_with(2)
