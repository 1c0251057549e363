"""A strict reader of Prometheus' text form (0.0.4): what it does not like is an error, not passed over."""

import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
HELP = re.compile(rf"# HELP ({NAME}) ((?:[^\\]|\\[\\n])+)")
TYPE = re.compile(rf"# TYPE ({NAME}) (counter|gauge)")
SAMPLE = re.compile(rf"({NAME})(?:\{{(.+)\}})? (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


def labels_of(text):
    found, at = {}, 0
    while at < len(text):
        match = LABEL.match(text, at)
        assert match, f"not a label: {text[at:]}"
        name, value = match.groups()
        assert name not in found, f"label {name} twice"
        found[name] = re.sub(r"\\.", lambda m: ESCAPES[m.group()], value)
        at = match.end()
    return found


def parse(text):
    """{family: (type, {labels as a sorted tuple: value})}. Each family once, with help and type, its samples together."""
    families, current = {}, None
    assert text.endswith("\n"), "the last line has no end"
    lines = text[:-1].split("\n")
    while lines:
        line = lines.pop(0)
        if line.startswith("#"):
            helped, typed = HELP.fullmatch(line), TYPE.fullmatch(lines.pop(0))
            assert helped and typed, f"not HELP and TYPE: {line}"
            current, kind = typed.groups()
            assert helped[1] == current and current not in families, f"{current} is begun twice"
            assert (kind == "counter") == current.endswith("_total"), f"{current} is a {kind}"
            families[current] = (kind, {})
            continue
        match = SAMPLE.fullmatch(line)
        assert match, f"not a sample: {line}"
        name, labels, value = match.groups()
        assert name == current, f"{name} is in the family {current}"
        key = tuple(sorted(labels_of(labels or "").items()))
        assert key not in families[name][1], f"{line}: twice"
        families[name][1][key] = float(value)
    return families
