"""Fits side by side: tables, findings in sentences, the choice of a size."""
