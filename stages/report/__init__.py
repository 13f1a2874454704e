"""Metrics and figures: metrics from predictions, figures from metrics."""
