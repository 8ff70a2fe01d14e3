#!/usr/bin/env python3
"""Prints a folder with the libraries that a cross build needs: Debian's packages of that architecture."""

import argparse
import pathlib
import sys

from packages import Apt, Missing, unpacked

LIBRARIES = ("libboost1.81-dev", "libcli11-dev", "libfmt-dev", "libfmt9", "nlohmann-json3-dev")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("architecture", help="Debian's name: arm64")
    parser.add_argument("--cache", type=pathlib.Path, required=True)
    options = parser.parse_args()
    cache = options.cache.resolve()
    cache.mkdir(parents=True, exist_ok=True)
    try:
        debs = Apt(options.architecture, cache).fetch(LIBRARIES)
        print(unpacked(debs, cache, f"cross-{options.architecture}"))
        return 0
    except (Missing, OSError) as reason:
        print(f"cross: {' '.join(str(reason).split())}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
