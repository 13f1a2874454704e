"""The filing: parameters checked, files written whole, a stage run as a command."""
