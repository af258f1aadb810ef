"""Pure rules of journeys and of their measurement: no input, no output, no clock."""
