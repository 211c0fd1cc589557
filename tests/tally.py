#!/usr/bin/env python3
"""Counts what meson's logs of test runs say, down to the single case, and shows what failed and
what was skipped.

    tally.py [--broken LABEL]... LABEL=testlog.json...

A program that speaks TAP counts one for each of its cases, any other counts one. A program that
ended otherwise than its cases say (a crash, a report of a sanitizer, too few cases) counts one
failure more. LABEL broken (it could not be built, or no test ran) counts as one failure. The last
line is `N passed, N failed`, with `, N skipped` where something was; the exit code is 1 when
anything failed or nothing passed."""

import json
import re
import sys

PLAN = re.compile(r"^1\.\.(\d+)(?:\s*#\s*skip\s*(.*))?$", re.I)
CASE = re.compile(r"^(not )?ok\b\s*(\d*)\s*-?\s*(.*)$")
SKIP = re.compile(r"\s*#\s*skip\S*\s*(.*)$", re.I)
PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
QUIET = re.compile(r"ok |# (Start|End) of|#\d+\s+(NEW|REDUCE|pulse|RELOAD|INITED)\b")
TAIL = 40


def cases(test):
    """[(state, name, reason)] of one entry of the log."""
    found, planned = [], None
    for line in test.get("stdout", "").splitlines():
        plan, case = PLAN.match(line), CASE.match(line)
        if plan:
            planned = int(plan[1])
            if planned == 0:
                found.append((SKIPPED, "", plan[2] or ""))
        elif case:
            skip = SKIP.search(case[3])
            name = case[3][: skip.start()] if skip else case[3]
            state = FAILED if case[1] else SKIPPED if skip else PASSED
            found.append((state, name, skip[1] if skip else ""))
    result = test["result"]
    if planned is None:
        if result == "SKIP":
            return [(SKIPPED, "", test.get("stdout", "").strip().split("\n")[-1])]
        return [(PASSED if result == "OK" else FAILED, "", result.lower())]
    if planned > len(found):
        found.append((FAILED, "", f"{planned - len(found)} cases of {planned} did not run"))
    elif result not in ("OK", "SKIP") and not any(state == FAILED for state, _, _ in found):
        found.append((FAILED, "", f"{result.lower()}, exit code {test['returncode']}"))
    return found


def tail(test):
    text = test.get("stdout", "") + test.get("stderr", "")
    lines = [line for line in text.splitlines() if not QUIET.match(line)]
    return lines[-TAIL:]


def main(arguments):
    count = {PASSED: 0, FAILED: 0, SKIPPED: 0}
    skipped = {}
    while arguments[:1] == ["--broken"]:
        print(f"FAILED {arguments[1]}: it could not be built, or no test of it ran")
        count[FAILED] += 1
        arguments = arguments[2:]
    for argument in arguments:
        label, path = argument.split("=", 1)
        with open(path, encoding="utf-8") as log:
            tests = [json.loads(line) for line in log]
        seconds = sum(test["duration"] for test in tests)
        own = {PASSED: 0, FAILED: 0, SKIPPED: 0}
        for test in tests:
            name = test["name"].split(":", 1)[-1]
            found = cases(test)
            for state, case, reason in found:
                own[state] += 1
                if state == SKIPPED:
                    skipped.setdefault(f"{name} {case}".strip(), reason)
                if state == FAILED:
                    print(f"FAILED {label}: {name} {case} {reason}".rstrip())
            if any(state == FAILED for state, _, _ in found):
                print("\n".join("    " + line for line in tail(test)))
        print(
            f"{label}: {own[PASSED]} passed, {own[FAILED]} failed, {own[SKIPPED]} skipped, "
            f"{len(tests)} programs, {seconds:.0f} s"
        )
        for state, n in own.items():
            count[state] += n
    for name, reason in sorted(skipped.items()):
        print(f"SKIPPED {name}: {reason or 'no reason given'}")
    line = f"{count[PASSED]} passed, {count[FAILED]} failed"
    print(line + (f", {count[SKIPPED]} skipped" if count[SKIPPED] else ""))
    return 0 if count[FAILED] == 0 and count[PASSED] > 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
