"""The tape: everything that the accounts depend on, in the order in which it happened."""

from agent.tape.tape import NO_TAPE, Tape, WritingTape

__all__ = ["NO_TAPE", "Tape", "WritingTape"]
