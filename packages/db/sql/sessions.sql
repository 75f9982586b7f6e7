-- Which sessions are over, and whether an item needs a request. See src/runs/items.ts.

-- The close of the last weekday session that is over: 16:00 in the provider's time zone, which it names for every
-- exchange. Holidays count as sessions here: whoever knows better than the provider asks with force.
CREATE FUNCTION last_session_close(at timestamptz) RETURNS timestamptz LANGUAGE sql STABLE AS $$
  SELECT ((at AT TIME ZONE 'America/New_York' - interval '16 hours')::date
          - greatest(0, extract(isodow FROM (at AT TIME ZONE 'America/New_York' - interval '16 hours')::date)::int - 5)
          + time '16:00') AT TIME ZONE 'America/New_York'
$$;

-- Both are single expressions, which PostgreSQL writes into the statement that uses them: a function with a FROM would be
-- started anew for every row.
-- Why an item needs no request; null when it does. `fetched_at`: when the newest request was sent that brought at least
-- what the item asks for, and `last_date`, the newest stored row. A bar can be published some hours after the close, so
-- a fetch after it proves nothing until it brought that day's bar or those hours had passed (a holiday brings none).
CREATE FUNCTION needless(accepted_at timestamptz, fetched_at timestamptz, last_date date, at timestamptz)
RETURNS text LANGUAGE sql STABLE AS $$
  SELECT CASE
    WHEN fetched_at IS NULL THEN NULL
    WHEN fetched_at > accepted_at THEN 'coalesced'
    WHEN fetched_at >= last_session_close(at)
     AND (last_date >= (last_session_close(at) AT TIME ZONE 'America/New_York')::date
          OR fetched_at >= last_session_close(at) + interval '6 hours')
      THEN 'up_to_date'
  END
$$;
