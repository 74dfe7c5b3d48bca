"""A sandbox as `tests.attacks.misdeeds`, on a kernel that lacks one measure: `WITHOUT` names it."""

from tests.attacks.misdeeds import TASKS
from wan.media import confinement
from wan.media.sandbox_process import serve

WITHOUT = "a filter of system calls"


def _refuse() -> None:
    raise OSError("not here")


if __name__ == "__main__":
    confinement.WITHIN[WITHOUT] = _refuse
    serve(TASKS)
