#!/bin/sh
# Follows the messages that are sent with curl alone, by server-sent events: one line of JSON for each, until Ctrl-C.
# TOKEN=rentak_… examples/follow.sh [address]
set -eu

curl --no-buffer --silent --show-error --fail-with-body "${1:-http://127.0.0.1:4000}/graphql" \
  -H "Authorization: Bearer ${TOKEN:?set TOKEN to a token with the scope READ}" \
  -H 'Accept: text/event-stream' \
  -H 'Content-Type: application/json' \
  -d '{"query": "subscription { flowSent { cursor at flow { id device { name } } } }"}' |
  while IFS= read -r line; do
    case $line in
      # The lines between are the event's name, and what keeps the connection open.
      'data: {'*) printf '%s\n' "${line#data: }" ;;
      # Refused: the reason is all that came.
      '{'*) printf '%s\n' "$line" >&2 ;;
    esac
  done
