"""One function per command, in the order things happen; this is also the Python API."""
