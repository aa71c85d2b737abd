"""Shapes of requests and answers, with the examples that the OpenAPI document shows."""
