-- What Rentak asks of each of its connections, for those that come through a pooler, which passes none of it on. Statements that wait for a row, and transactions of a process that hangs,
-- end by it; compiling a statement takes longer than any of Rentak's runs.
ALTER ROLE rentak SET lock_timeout = '5s';
ALTER ROLE rentak SET idle_in_transaction_session_timeout = '5s';
ALTER ROLE rentak SET jit = off;
