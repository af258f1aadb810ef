"""P8: how well and how fast customers that the rules leave apart are linked, beside Splink used straight on the same
fields."""
