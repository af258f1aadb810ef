"""The single customer view: one GraphQL graph over Kizuna's services, with live updates. It holds no data."""
