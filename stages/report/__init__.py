"""The evidence: numbers from predictions, pictures from numbers."""
