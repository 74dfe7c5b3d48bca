"""The page. Importing it sets what Gradio does and reads once, at its own import."""

import os

from wan.ui.stubs import write_no_stubs

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # no telemetry
# Gradio groups its last 10,000 events with pandas after each one, even with analytics off: 2 to 10
# ms of the event loop's time.
os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1000000")
os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "1")
# uvicorn would believe X-Forwarded-For from loopback; whom to believe is ours to say, see
# `wan.web.addresses`.
os.environ["FORWARDED_ALLOW_IPS"] = ""
write_no_stubs()
