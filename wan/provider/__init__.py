"""The way to the service: requests in its words, its answers, and the simulator that stands in for
it.
"""
