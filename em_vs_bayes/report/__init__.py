"""A comparison as tables, figures, text and one HTML page."""
