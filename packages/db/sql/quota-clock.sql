-- The ledger's clock: what it reads, and what is done with recorded instants when that clock was set.
-- Callers: src/quota/ledger-clock.ts.

-- The clock by which everything in the ledger is recorded and judged.
CREATE FUNCTION ledger_now() RETURNS timestamptz LANGUAGE sql VOLATILE
RETURN clock_timestamp();

-- How far ahead of the clock a recorded instant can lie at most; an instant beyond was recorded by a clock that was ahead.
-- A slot is reserved 1.25 s ahead; a refusal blocks for an hour, a key for a day; probes are 6 hours apart, and last 6 s
-- unless they are renewed. `past` is for instants that are never ahead.
CREATE FUNCTION ledger_horizon(OUT past interval, OUT probe interval, OUT next_probe interval, OUT blocked interval, OUT retry interval)
LANGUAGE sql IMMUTABLE RETURN ROW(interval '5 s', interval '11 s', interval '6 hours', interval '1 hour', interval '1 day');

-- A reading of the clock for workers, who see by their own time whether the clock was set; see DatabaseClock. isBehind:
-- a recorded instant lies further ahead than any can. newestId: of the requests; a later request has a higher id.
CREATE FUNCTION ledger_clock(at timestamptz, offset_ms float8, jumps integer, jump_ms float8, jump_after_ms float8)
RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('ledgerMs', (extract(epoch FROM at) * 1000)::float8 - offset_ms, 'jumps', jumps,
    'lastJump', CASE WHEN jump_after_ms IS NOT NULL THEN jsonb_build_object('ms', jump_ms, 'afterMs', jump_after_ms) END,
    'newestId', (SELECT coalesce(max(id), 0) FROM provider_requests), 'isBehind',
    EXISTS (SELECT FROM provider_requests WHERE slot_at > at + past)
    OR EXISTS (SELECT FROM provider_state
        WHERE greatest(outage_since, storage_failed_since, storage_failed_at) > at + past
           OR outage_probe_at > at + next_probe OR outage_probe_until > at + probe)
    OR EXISTS (SELECT FROM provider_keys WHERE said_at > at + past OR blocked_until > at + blocked)
    OR EXISTS (SELECT FROM provider_access WHERE retry_at > at + retry OR probe_until > at + probe))
    FROM ledger_horizon()
$$;

-- Moves every recorded instant that lies further ahead than it can to where it lies if it was recorded now: a request was
-- just sent, a wait has just begun.
CREATE FUNCTION settle_ledger() RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  at timestamptz;
  horizon record;
BEGIN
  PERFORM lock_provider_quota();
  at := ledger_now();
  SELECT * INTO horizon FROM ledger_horizon();
  UPDATE provider_requests SET slot_at = at WHERE slot_at > at + horizon.past;
  UPDATE provider_state SET
    outage_since = CASE WHEN outage_since > at THEN at ELSE outage_since END,
    storage_failed_since = CASE WHEN storage_failed_since > at THEN at ELSE storage_failed_since END,
    storage_failed_at = CASE WHEN storage_failed_at > at THEN at ELSE storage_failed_at END,
    outage_probe_at = CASE WHEN outage_probe_at > at + horizon.next_probe THEN at + horizon.next_probe ELSE outage_probe_at END,
    outage_probe_until = CASE WHEN outage_probe_until > at + horizon.probe THEN at + horizon.probe ELSE outage_probe_until END;
  UPDATE provider_keys SET
    said_at = CASE WHEN said_at > at THEN at ELSE said_at END,
    blocked_until = CASE WHEN blocked_until > at + horizon.blocked THEN at + horizon.blocked ELSE blocked_until END;
  UPDATE provider_access SET retry_at = at + horizon.retry WHERE retry_at > at + horizon.retry;
  UPDATE provider_access SET probe_until = at + horizon.probe WHERE probe_until > at + horizon.probe;
END
$$;

-- Moves recorded instants along with a clock that was set; see noteClockJump. Forward: all of them. Backward: the requests
-- up to the newest that was recorded while the clock was known to be right, and of the other instants those that lie ahead,
-- which cannot have been recorded since the jump. An instant that is left seems newer than it is, and never older.
-- Returns false when another worker moved them already.
CREATE FUNCTION note_clock_jump(jump_ms float8, seen integer, newest_id bigint, after_ms float8) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  at timestamptz;
  jump interval := jump_ms * interval '1 ms';
  past_from timestamptz;
  waits_from timestamptz;
BEGIN
  PERFORM lock_provider_quota();
  at := ledger_now();
  past_from := CASE WHEN jump_ms > 0 THEN '-infinity' ELSE at + interval '5 s' END;
  waits_from := CASE WHEN jump_ms > 0 THEN '-infinity' ELSE at - jump END;
  UPDATE provider_state SET
    clock_offset_ms = clock_offset_ms + jump_ms, clock_jumps = clock_jumps + 1, clock_jumped_at = at, clock_jump_ms = jump_ms,
    clock_jump_after_ms = after_ms,
    outage_since = outage_since + CASE WHEN outage_since > past_from THEN jump ELSE '0' END,
    storage_failed_since = storage_failed_since + CASE WHEN storage_failed_since > past_from THEN jump ELSE '0' END,
    storage_failed_at = storage_failed_at + CASE WHEN storage_failed_at > past_from THEN jump ELSE '0' END,
    outage_probe_at = outage_probe_at + CASE WHEN outage_probe_at > waits_from THEN jump ELSE '0' END,
    outage_probe_until = outage_probe_until + CASE WHEN outage_probe_until > waits_from THEN jump ELSE '0' END
   WHERE clock_jumps = seen;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  -- The conclusion of a request that was sent before the jump and concluded after it is by the clock of now, and stays.
  UPDATE provider_requests SET slot_at = slot_at + jump,
    concluded_at = concluded_at + CASE WHEN concluded_at > slot_at THEN jump ELSE '0' END
   WHERE slot_at > past_from OR id <= newest_id;
  UPDATE provider_keys SET
    said_at = said_at + CASE WHEN said_at > past_from THEN jump ELSE '0' END,
    blocked_until = blocked_until + CASE WHEN blocked_until > waits_from THEN jump ELSE '0' END;
  UPDATE provider_access SET retry_at = retry_at + jump WHERE retry_at > waits_from;
  UPDATE provider_access SET probe_until = probe_until + jump WHERE probe_until > waits_from;
  RETURN true;
END
$$;
