"""A fixture that runs the API as a process of its own."""

import subprocess

import httpx
import pytest

from tests.integration.http.process import api_command


@pytest.fixture
def served(door, running):
    """Start the API as a process; yield its (host, port), and the process."""
    with subprocess.Popen(api_command(*running), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield httpx.URL(process.stdout.readline().strip()), process
        finally:
            process.kill()
