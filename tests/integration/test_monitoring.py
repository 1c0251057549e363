"""Metrics of running agents against the reference page, alert rules and the dashboard, by the real promtool."""

import json
import re
import subprocess
import urllib.request
from pathlib import Path

from lib import metrics
from lib.paths import ROOT, system
from lib.waiting import wait_until

EXAMPLES = ROOT / "examples" / "monitoring"
RULES = EXAMPLES / "harmony.rules.yml"
CASES = Path(__file__).with_name("monitoring_rules.yml")
PAGE = ROOT / "docs" / "reference" / "metrics.md"
NAME = re.compile(r"\b(?:harmony|process)_[a-z_]+\b")


def promtool(*arguments, **options):
    return subprocess.run([system("promtool"), *map(str, arguments)], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60, check=False, **options)


def documented():
    """{name: type} of the reference page."""
    rows = re.findall(r"^\| `([a-z_]+)` \|.*\| (counter|gauge) \|", PAGE.read_text(), re.MULTILINE)
    assert len(rows) == len(dict(rows)) > 40
    return dict(rows)


def dashboard_queries():
    board = json.loads((EXAMPLES / "dashboard.json").read_text())
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def text_of(site):
    with urllib.request.urlopen(f"http://127.0.0.1:{site.http}/metrics", timeout=5) as answer:
        return answer.read().decode()


def families_of(site):
    """Empty until its first round of metrics."""
    text = text_of(site)
    return metrics.parse(text) if text else {}


def value(site, name, **labels):
    """None: there is no such sample."""
    family = families_of(site).get(name)
    return family and family[1].get(tuple(sorted(labels.items())))


def test_what_agents_tell_is_what_the_page_says(web_group):
    a, b = web_group.sites["site-a"], web_group.sites["site-b"]
    wait_until(lambda: value(a, "harmony_failover_peer_ready", peer="site-b") == 1, 30, "site-a to count on site-b")
    page = documented()
    for site in (a, b):
        wait_until(lambda site=site: families_of(site), 30, "its first round")
        for name, (kind, _) in families_of(site).items():
            assert page[name] == kind
    here = {name for name in page if not name.startswith(("harmony_vm_", "harmony_vip_"))}  # it has neither
    missing = here - set(families_of(a))
    assert missing == set()
    checked = promtool("check", "metrics", input=text_of(a))
    assert checked.returncode == 0, checked.stdout


def test_numbers_of_a_failover(web_group):
    """What the alerts look at, before and after a power cut."""
    a, b = web_group.sites["site-a"], web_group.sites["site-b"]
    wait_until(lambda: value(a, "harmony_failover_serving") == 1, 30, "site-a to tell that it serves")
    wait_until(lambda: value(b, "harmony_failover_fit") == 1, 30, "site-b to tell that it could lead")
    assert value(b, "harmony_failover_serving") == 0 and value(b, "harmony_failover_epoch") == 1
    assert 0 <= value(b, "harmony_failover_peer_silence_seconds", peer="site-a") < 60
    assert 0 < value(a, "harmony_failover_round_trip_seconds") < 10
    assert value(a, "harmony_failover_holds") == 0 and value(a, "harmony_failover_paused") == 0
    a.power_cut()
    web_group.wait_serving("site-b")
    wait_until(lambda: value(b, "harmony_failover_serving") == 1, 30, "site-b to tell that it serves")
    assert value(b, "harmony_failover_epoch") == 2
    assert value(b, "harmony_failover_peer_ready", peer="site-a") == 0


def test_rules_and_dashboard_name_what_there_is():
    page = documented()
    named = set(NAME.findall(RULES.read_text()))
    assert named <= set(page) and len(named) > 8
    drawn = set(NAME.findall(" ".join(dashboard_queries())))
    assert drawn == set(page), "a panel for each"


def test_rules_are_rules_and_alert_when_they_should():
    checked = promtool("check", "rules", RULES)
    assert checked.returncode == 0, checked.stdout
    tested = promtool("test", "rules", CASES)
    assert tested.returncode == 0, tested.stdout
    alerts = set(re.findall(r"- alert: (\w+)", RULES.read_text()))
    fired = set(re.findall(r"alertname: (\w+)", CASES.read_text()))
    assert alerts == fired, "each has a case"


def test_queries_of_the_dashboard_parse(folder):
    """As rules, with Grafana's own variables filled in."""
    filled = [q.replace("$instance", ".*").replace("$__rate_interval", "1m") for q in dashboard_queries()]
    rules = [{"record": f"panel:{n}", "expr": query} for n, query in enumerate(filled)]
    (folder / "panels.yml").write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    checked = promtool("check", "rules", folder / "panels.yml")
    assert checked.returncode == 0, checked.stdout
    assert f"{len(filled)} rules found" in checked.stdout
