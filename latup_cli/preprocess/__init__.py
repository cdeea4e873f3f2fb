"""Make a study model-ready, and bring results back to its own grid."""
