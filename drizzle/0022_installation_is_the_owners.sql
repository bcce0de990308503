-- The key of message ids, and where the event log begins: nothing that is asked for through the API reads them.
REVOKE ALL ON installation FROM rentak_api;
