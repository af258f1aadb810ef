"""Profile: what do we know of a customer, right now?"""
