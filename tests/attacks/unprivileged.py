"""A sandbox as `tests.attacks.misdeeds`, of a user who is not root, as in most containers."""

import os

from tests.attacks.misdeeds import TASKS
from wan.media.sandbox_process import serve

NOBODY = 65534

if __name__ == "__main__":
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    serve(TASKS)
