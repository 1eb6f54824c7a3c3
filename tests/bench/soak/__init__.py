"""A long run of mixed load over the real server, and what grows meanwhile."""
