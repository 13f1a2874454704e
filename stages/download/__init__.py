"""Downloads: where the files of a dataset come from."""
