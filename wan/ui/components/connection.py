"""What stands around the fields of *Connection*."""

from collections.abc import Mapping

from markupsafe import Markup

from wan.domain.messages import Language
from wan.ui.components.templates import render

_SITES: Mapping[str, Mapping[str, str]] = {
    "ap-southeast-1": {
        "account": "https://account.alibabacloud.com/register/intl_register.htm",
        "console": "https://modelstudio.console.alibabacloud.com/",
        "keys": "https://modelstudio.console.alibabacloud.com/?tab=playground#/api-key",
    },
    "cn-beijing": {
        "account": "https://account.aliyun.com/register/qr_register.htm",
        "console": "https://bailian.console.aliyun.com/",
        "keys": "https://bailian.console.aliyun.com/?tab=model#/api-key",
    },
}
"""Where each region's site has what leads to a key (help centre, *Get an API key*, 2026). One that
has moved leads to the console.
"""


def show_head(language: Language) -> Markup:
    """The head of the panel, with the button that closes it."""
    return render("connection_head.html", language)


def show_steps(language: Language) -> Markup:
    """How to get a key, in three steps."""
    return render("connection_steps.html", language, sites=_SITES)
