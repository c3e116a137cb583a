"""A spec and data, ready: vectors in, evidence and expected statistics out. All that methods talk to."""
