"""Photographs and scans of digits: from a file to the ink, and to one image per digit, as MNIST's were made."""
