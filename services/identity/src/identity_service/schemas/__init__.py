"""Requests and answers of identity's REST API, by what they are about."""
