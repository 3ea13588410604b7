"""Raw patches of proxy and sandbox: read, refused, and tried on the real ones."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.house import SERVER, House, small, until
from tests.routing import app, ask, edge
from wend import spec
from wend.declared import declared
from wend.errors import Invalid, Refused
from wend.patches import LONGEST, Patches, over
from wend.route import Backend, Route

BOTH = """
[hatch.proxy]
reason = "slow reports"
route = { timeout = "90s", retry_policy = { num_retries = 0 } }
cluster = { lb_policy = "RANDOM", circuit_breakers = { thresholds = [{ max_requests = 10 }] } }
[hatch.driver]
cwd = "/app/service"
log = "1M"
"""


WRONG = [
    ({"timeout": "never"}, "patch of shop: route.timeout: duration must start with an integer"),
    ({"retry_policy": {"bogus": 1}}, "patch of shop: route.retry_policy: no such field: 'bogus'"),
    ({"hash_policy": [{}]}, "HashPolicy[0]: embedded message failed validation | caused by field"),
    ({"regex_rewrite": {"pattern": {"regex": "(("}, "substitution": "x"}}, "missing ): (("),
]


def test_patches_are_read_counted_as_hatches_and_kept() -> None:
    found = spec.parse(BOTH)
    assert set(found.hatches) == {"proxy", "driver"}
    patches = found.declared.patches
    assert patches.route == {"timeout": "90s", "retry_policy": {"num_retries": 0}}
    assert (patches.cwd, patches.log) == ("/app/service", 2**20)
    assert declared(json.loads(json.dumps(found.declared.kept()))) == found.declared
    assert spec.parse("").declared.patches == Patches()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[hatch.proxy.route]\ncluster = 'other/1'", "hatch.proxy.route.cluster cannot be patched"),
        ("[hatch.proxy.route]\nweighted_clusters = {}", "weighted_clusters cannot be patched"),
        ("[hatch.proxy.route]\nrequest_mirror_policies = []", "request_mirror_policies cannot be patched"),
        ("[hatch.proxy.route]\ninternal_redirect_policy = {}", "cannot be patched"),
        ("[hatch.proxy.cluster]\nload_assignment = {}", "load_assignment cannot be patched"),
        ("[hatch.proxy.cluster]\nname = 'other/1'", "name cannot be patched"),
        ("[hatch.proxy.cluster]\ntransport_socket = {}", "cannot be patched"),
        ("[hatch.proxy.cluster]\nper_connection_buffer_limit_bytes = 4000000000", "cannot be patched"),
        (
            "[hatch.proxy.route]\nretry_policy = { retry_priority = { typed_config = 1 } }",
            "extensions cannot be loaded",
        ),
        ("[hatch.proxy.route]\nhash_policy = [{ '@type' = 'x' }]", "extensions cannot be loaded"),
        ("[hatch.proxy.route]\ntimeout = nan", "no JSON"),
        ("[hatch.proxy.route]\ntimeout = 2027-03-01", "no JSON"),
        (f"[hatch.proxy.route]\nprefix_rewrite = '/{'a' * LONGEST}'", "as JSON"),
        ("[hatch.proxy]\nroute = 'x'", "must be a table"),
        ("[hatch.build.route]\ntimeout = '1s'", r"move it to \[hatch.proxy\]"),
        ("[hatch.proxy]\ncwd = '/app/x'", r"move it to \[hatch.driver\]"),
        ("[hatch.driver]\ncwd = '/app/../etc'", "no folder in /app"),
        ("[hatch.driver]\ncwd = '/etc'", "no folder in /app"),
        ("[hatch.driver]\ncwd = '/app/x\\u001b[31m'", "unknown|no folder"),
        ("[hatch.driver]\nlog = '1T'", "not a size"),
        ("[hatch.driver]\nlog = '900G'", "must be from 64K to 1G"),
        ("[hatch.driver]\nseccomp = false", "unknown key"),
    ],
)
def test_what_reaches_beyond_the_app_is_refused(text: str, said: str) -> None:
    with pytest.raises(Invalid) as caught:
        spec.parse(text)
    assert re.search(said, f"{caught.value.message} {caught.value.hint}"), caught.value.message


def test_a_patch_is_laid_over_ours_table_by_table() -> None:
    assert over({"a": {"b": 1, "c": 2}, "d": [1]}, {"a": {"b": 3}, "d": [2], "e": {}}) == {
        "a": {"b": 3, "c": 2},
        "d": [2],
        "e": {},
    }


def test_the_proxy_takes_a_patch_for_one_app_alone(tmp_path: Path) -> None:
    with edge(tmp_path / "home") as envoy, app("one") as one:
        patched = Route(
            (), {1: Backend(100, one.backend().endpoints, {"lb_policy": "RANDOM"})}, False, {"timeout": "0.2s"}
        )
        envoy.set("shop", patched)
        envoy.set("till", Route((), {1: one.backend()}))
        assert envoy.get("shop") == patched, "read back as it was set, or every look would set it again"
        assert envoy.get("till") == Route((), {1: one.backend()})
        assert ask(envoy.listen[1], "shop.localhost")[0] == 200
        cut = ask(envoy.listen[1], "shop.localhost", "/stream", method="POST")[1]
        assert "first" in cut and "last" not in cut, "cut off after 0.2 s, where the app goes on after 10"
        for wrong, words in WRONG:
            with pytest.raises(Refused) as caught:
                envoy.set("shop", replace(patched, patch=wrong))
            assert words in caught.value.message and "till" not in caught.value.message, "of others nothing is told"
        with pytest.raises(Refused, match="unknown enum value: 'NOPE'"):
            envoy.set("shop", Route((), {3: Backend(100, one.backend().endpoints, {"lb_policy": "NOPE"})}))
        assert envoy.get("shop") == patched
        envoy.set("till", Route((), {2: one.backend()}))
        assert ask(envoy.listen[1], "till.localhost")[0] == 200, "others are changed on"


def test_a_pushed_patch_works_at_once_and_a_wrong_one_is_told(platform: House, tmp_path: Path) -> None:
    files = small("one")
    repo = platform.repo("patched", tmp_path / "patched", {**files, "service/app.py": files["app.py"]})
    (repo.folder / "app.py").unlink()
    repo.write({"wend.toml": '[hatch.proxy]\nroute = { timeout = "0.3s" }\n[hatch.driver]\ncwd = "/app/service"\n'})
    repo.change(README="patched")
    taken, said = repo.push()
    assert taken, said
    assert "hatch | proxy: why does the path not fit?" in said and "hatch | driver: why" in said
    assert platform.get("patched") == (200, "one")
    assert platform.get("patched", "/slow=2")[0] == 504
    repo.write({"wend.toml": '[hatch.proxy]\nroute = { timeout = "never" }\n[hatch.driver]\ncwd = "/app/service"\n'})
    repo.change(**{"service/app.py": SERVER.format(word="two")})
    taken, said = repo.push()
    assert not taken and "the proxy refuses the patch of patched" in said, said
    assert platform.get("patched") == (200, "one")
    until(lambda: platform.get("patched", "/slow=2")[0] == 504, what="the route before it")
