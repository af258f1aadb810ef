"""Pure functions of survey: what a questionnaire may be, what an answer may be, what follows from it. No I/O."""
