"""Find a study's files and check them; every choice is remembered with its reason."""
