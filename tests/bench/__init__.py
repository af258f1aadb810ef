"""What it must reach (P1, P2, P9, P11, P12), measured as ratios against limits taken in the same run: `make bench`."""
