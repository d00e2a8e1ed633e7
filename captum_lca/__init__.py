"""Linguistic Correlation Analysis for Captum: the single neurons that carry a property."""
