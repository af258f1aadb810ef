"""What Kizuna's services say to each other.

One module per *publishing* service holds its facts; `topology` declares the streams and who consumes them;
`conditions` is the condition language; `catalog` lists every fact for documentation and compatibility checks.
Data only: pydantic models and constants, and how what a shape cannot say is read (`conditions`, `relations`).
"""
