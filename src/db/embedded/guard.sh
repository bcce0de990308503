# Runs Postgres for as long as somebody holds the other end of file descriptor 3 open, a FIFO: sh -s <postgres> <arguments>
# The kernel closes that end however its holder dies, so Postgres stops after its last server, kill -9 included.
{ # braces: sh reads all of it before it starts, so that an upgrade of this file cannot change a running guard
  trap '' HUP INT TERM # service managers signal every process at once, and the servers have to drain first

  "$@" 3<&- &
  postgres=$!
  {
    # Nobody writes: this returns at end of file. As a builtin it leaves no child behind that would keep the FIFO's end open.
    while read -r _ <&3; do :; done
    kill -INT "$postgres" # fast shutdown: ends the sessions, writes a checkpoint
    tenths=0
    while kill -0 "$postgres" 2>/dev/null && [ "$tenths" -lt 300 ]; do
      sleep 0.1 3<&-
      tenths=$((tenths + 1))
      if [ "$tenths" -eq 100 ]; then kill -QUIT "$postgres"; fi # a session that does not end: the next start recovers from the log
    done
  } &
  reader=$!

  exec 3<&- # the reader alone listens: when it is gone, nobody seems to stand guard who does not
  wait "$postgres"
  code=$?
  kill -KILL "$reader" 2>/dev/null # it may wait at the FIFO yet: Postgres ended by itself
  exit "$code"
}
