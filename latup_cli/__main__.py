"""python -m latup_cli, and the `latup` command."""

from __future__ import annotations

import io
import sys

from latup_cli.cli.app import app


def main() -> None:
    """Run the command line; a name that the terminal's encoding lacks is printed with escapes."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    app(prog_name="latup")


if __name__ == "__main__":
    main()
