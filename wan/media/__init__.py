"""Media files: open inputs in a sandbox; measure, conform, join and tag results."""
