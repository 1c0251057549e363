"""What the operator does in the demo: harmonyctl, with its JSON read."""

import json
from datetime import datetime

from lib.paths import built
from lib.processes import environment, run


class Control:
    def __init__(self, nats_url):
        self.environment = environment(NATS_URL=nats_url)

    def __call__(self, *args):
        """harmonyctl's output; a failure raises with what it said."""
        return run([built("harmonyctl"), *args], env=self.environment).stdout

    def json(self, *args):
        return json.loads(self(*args, "-o", "json"))

    def lease(self):
        """leader, epoch, status, ... of the failover group."""
        return self.json("failover", "status")["lease"]

    def site(self, name):
        """What the group knows of one site: role, fit, leader, silent, ..."""
        return next(s for s in self.json("failover", "status")["sites"] if s["site"] == name)

    def plan(self, file):
        """The steps that the agents would take, each with its site."""
        return [{"site": plan["site"], **step} for plan in self.json("plan", "-f", file)
                for step in plan["steps"]]

    def promoted_at(self, epoch):
        """When the promotion to `epoch` was stored: the server's stamp, in seconds of its clock."""
        items = self.json("failover", "history")["items"]
        stamp = next(i["from"] for i in items if i["type"] == "promotion" and i["epoch"] == epoch)
        return datetime.fromisoformat(stamp).timestamp()
