"""The chassis every Kizuna service stands on: machinery is shared here, meaning is not."""
