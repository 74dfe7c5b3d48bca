"""A sandbox as `tests.attacks.misdeeds`, on a kernel that gives no namespaces, as in many
containers.
"""

from tests.attacks.misdeeds import TASKS
from wan.media import confinement
from wan.media.sandbox_process import serve

WITHOUT = ["namespaces of its own", "an empty root"]


def _refuse() -> None:
    raise OSError("not here")


if __name__ == "__main__":
    confinement.BEFORE[WITHOUT[0]] = confinement.WITHIN[WITHOUT[1]] = _refuse
    serve(TASKS)
