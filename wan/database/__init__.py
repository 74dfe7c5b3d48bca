"""The tables, and every SQL statement: the only place that imports sqlalchemy."""
