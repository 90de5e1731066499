"""Phases, catalogue, plan and tracer: what finalization is and how a binary does it."""
