"""Tasks of the lab: each a generator of items and a verifier of answers."""
