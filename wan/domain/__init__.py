"""What the product is about, without I/O: models, requests, jobs, reviews, errors, messages."""
