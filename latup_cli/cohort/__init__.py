"""A study of many patients: find them, keep the ledger of a run, tell the results."""
