"""Waiting for conditions instead of sleeping."""

import ast
import linecache
import time


class GaveUp(AssertionError):
    """A condition did not come true in time."""


def wait_until(condition, timeout, what, interval=0.01, tell=None):
    """Call `condition` until it returns something true, and return that.

    `what` completes "waited 5.0 s for ...". An exception in the condition counts as "not yet"; the
    last value or exception is told when `timeout` seconds are over, with what a lambda compares, and what
    `tell()` says, if there is one. GaveUp and Dead are passed on. The last look begins when time is over, however long the machine
    stood still before.
    """
    start = time.monotonic()
    while True:
        is_over = time.monotonic() - start > timeout
        try:
            value = condition()
            if value:
                return value
            seen = repr(value)
        except (GaveUp, Dead):
            raise
        except Exception as error:  # not ready yet: told below if it stays so
            seen = f"{type(error).__name__}: {error}"
        if is_over:
            raise GaveUp(f"waited {timeout:.1f} s for {what}; last: {seen[:2000]}"
                         f"{''.join(parts(condition))}{told(tell)}")
        time.sleep(interval)


def parts(condition):
    """Lines like `group.lease()["counter"] = 7`: what is compared, or tied by `and` and `or`, in a lambda. To find
    out is another look at it, from Python 3.11 on; before, and of what is no lambda, nothing is told."""
    try:
        tree, names = ast.parse(f"({_body(condition.__code__)})", mode="eval"), _names(condition)
    except Exception:
        return
    for node in _operands(tree.body):
        try:
            value = repr(eval(compile(ast.Expression(node), "a condition", "eval"), names))
        except Exception as error:
            value = f"{type(error).__name__}: {error}"
        yield f"\n  {ast.unparse(node)} = {value[:1000]}"


def _body(code):
    """The text of a lambda's expression."""
    if code.co_name != "<lambda>":
        raise ValueError("no lambda")
    spans = [(at[0], at[2], at[1], at[3]) for at in code.co_positions() if None not in at and (at[0], at[2]) < (at[1], at[3])]
    (first, begin), (last, end) = min(span[:2] for span in spans), max(span[2:] for span in spans)
    lines = [linecache.getline(code.co_filename, n).encode() for n in range(first, last + 1)]
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][begin:]
    return b"".join(lines).decode()


def _names(function):
    cells = {name: cell.cell_contents for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ())}
    arguments = function.__code__.co_varnames[:function.__code__.co_argcount]
    return {**function.__globals__, **cells, **dict(zip(arguments, function.__defaults__ or ()))}


def _operands(node):
    """What decides about an expression, without constants."""
    if isinstance(node, ast.BoolOp):
        inner = node.values
    elif isinstance(node, ast.UnaryOp):
        inner = [node.operand]
    elif isinstance(node, ast.Compare):
        inner = [node.left, *node.comparators]
    else:
        if not isinstance(node, ast.Constant):
            yield node
        return
    for part in inner:
        yield from _operands(part)


def told(tell):
    """What there is to say when a wait is given up. Failing to say it must not hide that."""
    try:
        return f"\n{tell()}" if tell else ""
    except Exception as error:
        return f"\n(nothing more can be told: {type(error).__name__}: {error})"


class Dead(AssertionError):
    """A process that is being waited for has ended: waiting on is pointless."""
