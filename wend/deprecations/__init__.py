"""What the platform offers and will offer no more: announced with a replacement that works, dates, and help.

`announcing.py` says what may be announced and does it, `users.py` who still uses it by what runs, `burndown.py` when
nobody will, `moving.py` proposes the migration. How far it is, is a matter of dates alone: `wend/outgoing.py`.
"""
