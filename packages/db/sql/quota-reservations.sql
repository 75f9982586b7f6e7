-- How a request to the provider is reserved and given back, each in one statement. Callers: src/quota/ledger.ts.

-- Whole milliseconds, rounded up: a caller that waits so long is never early.
CREATE FUNCTION interval_ms(waiting interval) RETURNS float8 LANGUAGE sql IMMUTABLE
RETURN ceil(extract(epoch FROM waiting) * 1000)::float8;

-- Whether a request of the ledger counts for a key. Every request that Stockpile sent counts, with whichever key, since the
-- provider counts by address as well; a request that somebody else spent ('foreign') counts for the key that was told so.
CREATE FUNCTION counts_for_key(request provider_requests, fingerprint text) RETURNS boolean LANGUAGE sql IMMUTABLE
RETURN request.outcome IS DISTINCT FROM 'foreign' OR request.key_fingerprint IS NULL OR request.key_fingerprint IS NOT DISTINCT FROM fingerprint;

-- The limits in force at an instant for a key: the limits that a worker names (its JSON is a list of the type Limit), and
-- for the day the limit that the provider told that key, when it is less and was told within a day's window. A maximum of 0
-- is no limit. frees_at: when the next request fits. One span (window and margin) after the max-th newest request, fewer
-- than max requests lie within a span; null when fewer than max do already.
CREATE FUNCTION provider_limits(named jsonb, fingerprint text, at timestamptz)
RETURNS TABLE (name text, max integer, window_ms float8, margin_ms float8, span interval, frees_at timestamptz)
LANGUAGE sql STABLE AS $$
  SELECT in_force.name, in_force.max, in_force.window_ms, in_force.margin_ms, in_force.span,
         (SELECT slot_at FROM provider_requests AS request WHERE counts_for_key(request, fingerprint)
           ORDER BY slot_at DESC OFFSET in_force.max - 1 LIMIT 1) + in_force.span
    FROM (
      SELECT given.name, given."windowMs" AS window_ms, given."marginMs" AS margin_ms, given.span,
             CASE WHEN given.name = 'day' AND said.said_at + given.span > at
                   AND (given.max = 0 OR said.said_per_day < given.max) THEN said.said_per_day ELSE given.max END AS max
        FROM (
         SELECT *, ("windowMs" + "marginMs") * interval '1 ms' AS span
           FROM jsonb_to_recordset(named) AS listed(name text, max integer, "windowMs" float8, "marginMs" float8)
       ) AS given
        LEFT JOIN provider_keys AS said ON said.key_fingerprint = fingerprint
    ) AS in_force
   WHERE in_force.max > 0
$$;

-- Transactions that write what a reservation reads take turns. Called only within one autocommitted statement: a client
-- that is frozen between two statements (SIGSTOP, garbage collection, a lost network) can then never hold the lock.
CREATE FUNCTION lock_provider_quota() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  -- Under any other isolation level the statements after this one do not see what the last holder of the lock committed.
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'the quota ledger needs READ COMMITTED' USING ERRCODE = 'invalid_transaction_state';
  END IF;
  PERFORM pg_advisory_xact_lock(x'51554f5441'::bigint); -- "QUOTA" in ASCII
END
$$;

-- What keeps every request with this key from being sent, whatever it asks for, in the form in which
-- reserve_provider_request refuses it; null when nothing does.
CREATE FUNCTION provider_barrier(fingerprint text, at timestamptz) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
  state provider_state;
  of_key provider_keys;
  known provider_access;
BEGIN
  SELECT * INTO state FROM provider_state;
  SELECT * INTO of_key FROM provider_keys AS keys WHERE keys.key_fingerprint = fingerprint;
  IF of_key.blocked_until > at THEN
    RETURN jsonb_build_object('granted', false, 'reason', 'blocked', 'class', of_key.blocked_class,
      'detail', of_key.blocked_detail, 'waitMs', interval_ms(of_key.blocked_until - at));
  END IF;
  SELECT * INTO known FROM provider_access AS access
   WHERE access.key_fingerprint = fingerprint AND access.retry_at > at
     AND access.class IN (SELECT class FROM refusal_classes WHERE scope = 'key')
   ORDER BY access.retry_at DESC LIMIT 1;
  IF FOUND THEN
    RETURN jsonb_build_object('granted', false, 'reason', 'key', 'class', known.class,
      'detail', known.detail, 'waitMs', interval_ms(known.retry_at - at));
  END IF;
  -- A worker whose series cannot be stored tries again every 5 s, and renews this for all workers. A worker that is lost
  -- renews nothing, so that its trouble stops nobody after 15 s.
  IF state.storage_failed_at > at - interval '15 s' THEN
    RETURN jsonb_build_object('granted', false, 'reason', 'storage', 'class', state.storage_class,
      'detail', state.storage_detail, 'waitMs', 5000);
  END IF;
  IF state.outage_since IS NOT NULL AND greatest(state.outage_probe_at, state.outage_probe_until) > at THEN
    RETURN jsonb_build_object('granted', false, 'reason', 'outage', 'class', state.outage_class, 'detail', state.outage_detail,
      'waitMs', interval_ms(greatest(state.outage_probe_at, state.outage_probe_until) - at));
  END IF;
  RETURN NULL;
END
$$;

-- The limit that lets the next request wait longest, and when that request fits; null when no limit is full.
CREATE FUNCTION provider_slot(named_limits jsonb, fingerprint text, at timestamptz, OUT name text, OUT frees_at timestamptz)
LANGUAGE sql STABLE AS $$
  SELECT in_force.name, in_force.frees_at FROM provider_limits(named_limits, fingerprint, at) AS in_force
   ORDER BY in_force.frees_at DESC NULLS LAST LIMIT 1
$$;

-- Why a request would get no slot now, in the form in which reserve_provider_request refuses it; null when it would get
-- one. Reserves nothing and takes no lock: a worker that waits calls this again and again.
CREATE FUNCTION provider_gate(named_limits jsonb, fingerprint text, ahead_ms float8) RETURNS jsonb
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  at timestamptz;
  clock jsonb;
  closed jsonb;
  binding record;
BEGIN
  -- One statement reads both: the offset then belongs to the clock that was read.
  SELECT now.at, ledger_clock(now.at, clock_offset_ms, clock_jumps, clock_jump_ms, clock_jump_after_ms) INTO at, clock
    FROM provider_state, LATERAL (SELECT ledger_now() AS at) AS now;
  closed := provider_barrier(fingerprint, at);
  IF closed IS NULL THEN
    SELECT * INTO binding FROM provider_slot(named_limits, fingerprint, at);
    IF binding.frees_at > at + ahead_ms * interval '1 ms' THEN
      closed := jsonb_build_object('reason', binding.name, 'waitMs', interval_ms(binding.frees_at - at));
    END IF;
  END IF;
  RETURN jsonb_build_object('closed', closed, 'clock', clock);
END
$$;

-- Reserves the next slot, or says why there is none and for how long; see reserveRequest. VOLATILE: each statement in it
-- sees what was committed before that statement began, so also what the last holder of the lock wrote. The clock is read
-- with the lock held. The lock is released after the commit is on disk: a slot that was answered survives a crash of the
-- server.
CREATE FUNCTION reserve_provider_request(
  named_limits jsonb, fingerprint text, asked_function text, asked_outputsize text, for_item bigint, ahead_ms float8
) RETURNS jsonb LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  asked_at timestamptz;
  turn interval;
BEGIN
  PERFORM lock_provider_quota();
  asked_at := ledger_now();
  turn := clock_timestamp() - statement_timestamp();
  RETURN take_provider_slot(named_limits, fingerprint, asked_function, asked_outputsize, for_item, ahead_ms, asked_at, turn)
    || (SELECT jsonb_build_object('clock', ledger_clock(asked_at, clock_offset_ms, clock_jumps, clock_jump_ms, clock_jump_after_ms))
          FROM provider_state);
END
$$;

-- Reserves with the lock held, as of `asked_at`. `turn`: how long the caller waited for the lock.
CREATE FUNCTION take_provider_slot(
  named_limits jsonb, fingerprint text, asked_function text, asked_outputsize text, for_item bigint, ahead_ms float8,
  asked_at timestamptz, turn interval
) RETURNS jsonb LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  barrier jsonb;
  known provider_access;
  binding record;
  slot timestamptz;
  request_id bigint;
  is_probe boolean;
BEGIN
  UPDATE provider_state SET key_fingerprint = fingerprint WHERE key_fingerprint IS DISTINCT FROM fingerprint;

  barrier := provider_barrier(fingerprint, asked_at);
  IF barrier IS NOT NULL THEN
    RETURN barrier;
  END IF;

  SELECT * INTO known FROM provider_access AS access
   WHERE access.key_fingerprint = fingerprint AND access.function = asked_function AND access.outputsize = asked_outputsize;
  IF known.state = 'refused' AND known.retry_at > asked_at THEN
    RETURN jsonb_build_object('granted', false, 'reason', 'access', 'class', known.class,
      'detail', known.detail, 'waitMs', interval_ms(known.retry_at - asked_at));
  END IF;
  is_probe := known.state IS DISTINCT FROM 'accepted';
  -- A key has one probe at a time: an invalid key then costs one request, whatever is asked for.
  IF is_probe THEN
    SELECT * INTO known FROM provider_access AS access
     WHERE access.key_fingerprint = fingerprint AND access.state = 'probing' AND access.probe_until > asked_at
     ORDER BY access.probe_until DESC LIMIT 1;
    IF FOUND THEN
      RETURN jsonb_build_object('granted', false, 'reason', 'probing',
        'waitMs', least(250, interval_ms(known.probe_until - asked_at)));
    END IF;
  END IF;

  SELECT * INTO binding FROM provider_slot(named_limits, fingerprint, asked_at);
  slot := greatest(asked_at, binding.frees_at);
  IF slot > asked_at + ahead_ms * interval '1 ms' THEN
    RETURN jsonb_build_object('granted', false, 'reason', binding.name, 'waitMs', interval_ms(slot - asked_at));
  END IF;

  INSERT INTO provider_requests AS request (slot_at, key_fingerprint, function, outputsize, item_id)
  VALUES (slot, fingerprint, asked_function, asked_outputsize, for_item) RETURNING request.id INTO request_id;
  IF is_probe THEN
    INSERT INTO provider_access AS access (key_fingerprint, function, outputsize, state, probe_id, probe_until)
    VALUES (fingerprint, asked_function, asked_outputsize, 'probing', request_id, slot + interval '6 s')
    ON CONFLICT (key_fingerprint, function, outputsize)
      DO UPDATE SET state = 'probing', probe_id = excluded.probe_id, probe_until = excluded.probe_until;
  END IF;
  -- The request that passes the barrier during an outage is its probe: it finds out whether the outage is over, and no
  -- other request is sent meanwhile.
  UPDATE provider_state SET outage_probe_id = request_id, outage_probe_until = slot + interval '6 s'
   WHERE outage_since IS NOT NULL;
  is_probe := is_probe OR FOUND;
  -- slotMs counts the wait for the lock, which is not a lateness of the worker. Rounded down, a slot is never too early.
  RETURN jsonb_build_object('granted', true, 'id', request_id, 'probe', is_probe,
    'slotMs', floor(extract(epoch FROM slot - asked_at + turn) * 1000),
    'waitMs', greatest(0, interval_ms(slot - ledger_now())));
END
$$;

-- Gives back a slot whose request was never sent; see discardRequest. When the provider told the key since then that its
-- day is spent, the slot stays, as a request of somebody else: it was counted when the ledger was filled up to the limit,
-- and without it the ledger would show room that the provider denies. The lock keeps a refusal from being recorded meanwhile.
-- A slot is reserved at most a second ahead; requests are refused within a minute of their slot. The upper bound makes
-- the planner read the index before it knows the table.
CREATE FUNCTION discard_provider_request(discarded_id bigint) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  reserved_after timestamptz;
  fingerprint text;
BEGIN
  PERFORM lock_provider_quota();
  SELECT request.slot_at - interval '1 s', request.key_fingerprint INTO reserved_after, fingerprint
    FROM provider_requests AS request WHERE request.id = discarded_id AND request.outcome IS NULL;
  IF NOT FOUND THEN RETURN; END IF;
  IF EXISTS (SELECT FROM provider_keys AS keys WHERE keys.key_fingerprint = fingerprint AND keys.said_at > reserved_after)
    OR EXISTS (SELECT FROM provider_requests AS refused
                WHERE refused.slot_at BETWEEN reserved_after - interval '1 minute' AND reserved_after + interval '1 day'
                  AND refused.concluded_at > reserved_after
                  AND (refused.outcome = 'foreign' OR refused.outcome IN (SELECT class FROM refusal_classes WHERE limit_name = 'day'))
                  AND coalesce(refused.key_fingerprint, fingerprint) IS NOT DISTINCT FROM fingerprint) THEN
    UPDATE provider_requests
       SET outcome = 'foreign', concluded_at = ledger_now(), function = NULL, outputsize = NULL, item_id = NULL
     WHERE id = discarded_id;
  ELSE
    DELETE FROM provider_requests WHERE id = discarded_id;
  END IF;
  UPDATE provider_access SET probe_until = ledger_now() WHERE probe_id = discarded_id;
  UPDATE provider_state SET outage_probe_until = ledger_now() WHERE outage_probe_id = discarded_id;
END
$$;
