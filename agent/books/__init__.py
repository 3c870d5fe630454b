"""The books: what is booked of each account, kept over a restart, and given up as records of account.

In: frames as they were read (`Ledger.take`), the plant and the factors of the configuration, and what an earlier run
saved. Out: rolling windows (`Ledger.tick`), closed intervals and events on their way into the store (`Bookkeeper`),
and what a restart needs, saved together with them. The bodies of records are formed here too, for the figures in them
are these. The books know neither who reads nor who delivers, and wait for nothing: whoever runs them says when.
"""
