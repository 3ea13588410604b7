"""Listening to developers every week: whom to ask, what to ask, what they said, and whom nobody has heard."""
