"""Runs every fault and prints the table; `script/faults` starts it."""

import sys

import callers  # noqa: F401: registers its faults
import clock  # noqa: F401
import disk  # noqa: F401
import memory  # noqa: F401
from harness import CASES, Table, end_all

sys.dont_write_bytecode = True


def main():
    words = sys.argv[1:]
    is_short = "--short" in words
    wanted = {int(word) for word in words if word.isdigit()}
    table = Table(is_short)
    print(f"{'#':>3}  {'FAULT':<58} ROUNDS     TIME    RESULT", flush=True)
    try:
        for case in sorted(CASES, key=lambda case: case.number):
            if not wanted or case.number in wanted:
                table.run(case)
    finally:
        end_all()
    return table.finish()


if __name__ == "__main__":
    sys.exit(main())
