"""What assets/deploy/ hands out: it is well-formed, and names no setting that does not exist. What
HAProxy does by its file, tests/browser/test_replicas.py shows.
"""

import re

import pytest
import yaml

from tests.conftest import ROOT
from wan.environment.settings import Settings

FOLDER = ROOT / "assets" / "deploy"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))
SETTINGS = {field.alias for field in Settings.model_fields.values()}
BALANCERS = {"WAN_BALANCER", "WAN_BALANCER_USER", "WAN_REPLICA_1", "WAN_REPLICA_2"}
"""What haproxy.cfg reads."""
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_setting_that_is_named_exists():
    named = {
        (path.name, name)
        for path in FOLDER.iterdir()
        for name in re.findall(
            r"\b(?:WAN|DASHSCOPE|GRADIO|OUTPUT)_[A-Z0-9_]+\b", path.read_text(encoding="utf-8")
        )
    }
    assert len({name for _, name in named}) > 10
    assert {name for _, name in named} - SETTINGS == BALANCERS
    assert {file for file, name in named if name in BALANCERS} == {"haproxy.cfg", "compose.yaml"}


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_the_readme_tells_of_each_file(path):
    assert f"assets/deploy/{path.name}" in README


def test_the_balancer_reads_what_it_is_given():
    read = re.findall(r'"\$\{(\w+)-', (FOLDER / "haproxy.cfg").read_text(encoding="utf-8"))
    assert set(read) == BALANCERS
    given = COMPOSE["services"]["balancer"]["environment"]
    assert given.keys() == BALANCERS - {"WAN_BALANCER_USER"}
    # Two replicas, each by the name and at the port that it has.
    replicas = {name: one for name, one in COMPOSE["services"].items() if "build" in one}
    where = {f"{name}:{one['environment']['GRADIO_SERVER_PORT']}" for name, one in replicas.items()}
    assert where == {given["WAN_REPLICA_1"], given["WAN_REPLICA_2"]}


def test_the_replicas_share_what_they_must_and_trust_the_balancer():
    (one, two) = (one for one in COMPOSE["services"].values() if "build" in one)
    assert one == two
    shared, network = one["environment"], COMPOSE["networks"]["default"]["ipam"]["config"][0]
    assert shared["WAN_TRUSTED_PROXIES"] == network["subnet"]
    assert re.fullmatch(
        r"postgresql://wan:\$\{POSTGRES_PASSWORD:.*\}@postgres/wan", shared["WAN_DATABASE_URL"]
    )
    assert COMPOSE["services"]["postgres"]["environment"]["POSTGRES_DB"] == "wan"
    copied = re.findall(r"^COPY (.+) \S+$", one["build"]["dockerfile_inline"], re.MULTILINE)
    missing = [name for names in copied for name in names.split() if not (ROOT / name).exists()]
    assert len(copied) > 2
    assert missing == []
