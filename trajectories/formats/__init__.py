"""Readers and writers of external camera formats; other conventions appear only here."""
