"""The demo: real purchases and generated people go once round the loop, through the public APIs only."""
