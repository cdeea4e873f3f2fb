"""python -m latup_cli, and the `latup` command."""

from __future__ import annotations

from latup_cli.cli.app import app


def main() -> None:
    """Run the command line."""
    app(prog_name="latup")


if __name__ == "__main__":
    main()
