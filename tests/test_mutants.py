"""The deliberate faults of `tests/bench/faults.py` still fit the product and its tests, so that the
bench that tries them means something.
"""

from collections import Counter
from functools import cache

from jinja2 import Environment

from tests.bench.faults import FAULTS
from tests.conftest import ROOT


@cache
def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def test_each_fault_has_a_name_of_its_own_and_is_one():
    assert [
        name for name, times in Counter(fault.name for fault in FAULTS).items() if times > 1
    ] == []
    assert [fault.name for fault in FAULTS if fault.new == fault.old] == []


def test_each_fault_is_found_once_in_the_product_and_compiles():
    for fault in FAULTS:
        text = read(fault.file)
        assert (fault.file.partition("/")[0], text.count(fault.old)) == ("wan", 1), fault.name
        faulty = text.replace(fault.old, fault.new)
        if fault.file.endswith(".html"):
            Environment(autoescape=True).parse(faulty, fault.name)
        else:
            compile(faulty, fault.name, "exec")


def test_each_fault_names_tests_that_there_are():
    for target in {target for fault in FAULTS for target in fault.tests}:
        path, _, test = target.partition("::")
        assert path.endswith(".py")
        assert f"def {test}(" in read(path) if test else "def test_" in read(path), target
