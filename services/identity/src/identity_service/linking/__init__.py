"""Which customers that the rules leave apart are probably one person (docs/linking.md).

Pure: tables in, scored pairs out. No database of ours, no service code. `engine.link` is the way in; `results` holds
what it takes and gives and imports nothing heavy, so that a service may import it cheaply.
"""
