"""Kizuna on one machine: starts the real parts and the services, watches them, stops them."""
