"""`smiletrack VERB ...`, `python -m smiletrack VERB ...`, and the scripts in `tools/`."""

import sys

try:
    from smiletrack.engine.cli import run
except KeyboardInterrupt:  # Ctrl-C while modules load
    sys.exit(130)


def main(verb: str | None = None) -> None:
    """Run the command line of this process; `verb` is the one that a script stands for."""
    run([*(verb.split() if verb else ()), *sys.argv[1:]])


if __name__ == "__main__":
    main()
