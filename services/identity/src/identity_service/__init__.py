"""Identity: who is this? Sources, the Segment-compatible front door, identifiers, anchors and their customers."""
