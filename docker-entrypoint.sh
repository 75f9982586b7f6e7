#!/bin/sh
# Starts the process that the arguments name: with the real provider, or in a demo with the simulator.
# A demo is on while the simulator renews the sign (docker-compose.yml). That is looked at once in a container's life
# and then kept, so that no restart ever switches between real and made-up prices.
set -eu

mode=/tmp/mode
if [ ! -s "$mode" ]; then
  if find /run/demo/sign -newermt '-20 seconds' 2>/dev/null | grep -q .; then echo demo; else echo real; fi >"$mode"
fi

if [ "$(cat "$mode")" = demo ]; then
  # DEMO_DATABASE_URL takes the place of DATABASE_URL, and so on.
  for name in $(env | sed -n 's/^DEMO_\([A-Z_]*\)=.*/\1/p'); do
    eval "export $name=\"\$DEMO_$name\""
  done
  cat <<'BANNER'
!! SYNTHETIC DATA: this is the demo, so a built-in simulator answers in place of Alpha Vantage.
!! Its prices are made up. They stay in a database of their own, stockpile_demo.
!! For real prices get a free key at https://www.alphavantage.co/support/#api-key, leave the demo with
!! docker compose --profile demo down, and start with ALPHAVANTAGE_API_KEY=your-key docker compose up
BANNER
fi

exec "$@"
