"""Helpers of the tests that run real programs natively and under mx. See tests/lib/README.md."""

from .box import Box
from .case import ProgramTest, main, scenario
from .exchange import Exchange
from .net import connect, free_port, wait_until_connects
from .process import Done, Failure, Program
from .report import Report
from . import http, resp, settings, tree  # noqa: E402

__all__ = ["Box", "Done", "Exchange", "Failure", "Program", "ProgramTest", "Report", "connect", "free_port", "main",
           "scenario", "wait_until_connects"]
