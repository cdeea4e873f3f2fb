"""Judge a study in numbers that can refuse: registration, brain, acquisition, channels."""
