"""What the user did, or the machine lacks, in one sentence."""

from __future__ import annotations


class CliError(Exception):
    """fingdb cannot do the job; the text is one sentence for the user. The exit status is 2."""
