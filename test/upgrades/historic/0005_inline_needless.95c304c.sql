-- As in 0002, but as single expressions, which PostgreSQL writes into the statement that uses them: a function with a
-- FROM is started anew for every row.
CREATE OR REPLACE FUNCTION last_session_close(at timestamptz) RETURNS timestamptz LANGUAGE sql STABLE AS $$
  SELECT ((at AT TIME ZONE 'America/New_York' - interval '16 hours')::date
          - greatest(0, extract(isodow FROM (at AT TIME ZONE 'America/New_York' - interval '16 hours')::date)::int - 5)
          + time '16:00') AT TIME ZONE 'America/New_York'
$$;--> statement-breakpoint

CREATE OR REPLACE FUNCTION needless(accepted_at timestamptz, fetched_at timestamptz, last_date date, at timestamptz)
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
