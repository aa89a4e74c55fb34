"""Readers and writers of other people's camera files; the only place where other conventions exist."""
