"""The subject of the product, without I/O: models, requests, jobs, reviews, errors, messages."""
