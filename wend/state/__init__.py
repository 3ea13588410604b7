"""State: tables that reducers fill from the ledger, in the same transaction, and the questions asked of them.

`SCHEMA` counts the shapes of the tables: raise it with any change to a table or a reducer, and every home rebuilds
itself from its ledger on the next start. There are no migrations.
"""

SCHEMA = 14
