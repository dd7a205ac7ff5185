"""The command `fmr`: what `fmr --help` says."""

import signal
import sys

from fmr import _native


def main() -> int:
    # The command handles Ctrl-C itself.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _native.main(["fmr", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
