"""A prepared study in, scores out: models, engines, windows, decoding."""

from latup_cli.inference.telemetry import turn_off

turn_off()  # before either engine can be imported
