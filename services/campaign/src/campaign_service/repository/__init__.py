"""All of campaign's SQL: short here, long in sql/."""
