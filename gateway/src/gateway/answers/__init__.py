"""What the services' REST endpoints answer, decoded straight from the wire; one module per service,
of identity's and profile's one per area.

The attribute names are the graph's (in snake case); `name=` says how the wire calls a thing. A field that may be null
here is nullable in the graph (a test compares). Free JSON stays bytes (`Raw`): nobody between the service and the
client reads it. Unknown fields are ignored, so a service may add.
"""
