"""What the benches measure beside: the same work in the usual style."""
