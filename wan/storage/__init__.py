"""Files beside the database: references, videos, uploads and the record of every run."""
