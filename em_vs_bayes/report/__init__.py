"""A comparison as one HTML page with figures."""
