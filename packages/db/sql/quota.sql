-- The ledger: how a request is reserved, given back and refused, each in one statement. See src/quota/ledger.ts.

-- Whole milliseconds, rounded up: who waits so long is never early.
CREATE FUNCTION interval_ms(waiting interval) RETURNS float8 LANGUAGE sql IMMUTABLE
RETURN ceil(extract(epoch FROM waiting) * 1000)::float8;

-- Whether a request of the book counts for a key: all that were sent do, with whichever key, since the provider counts by
-- address as well; what somebody else has spent counts for the key that was told so.
CREATE FUNCTION counts_for_key(book provider_requests, fingerprint text) RETURNS boolean LANGUAGE sql IMMUTABLE
RETURN book.outcome IS DISTINCT FROM 'foreign' OR book.key_fingerprint IS NULL OR book.key_fingerprint IS NOT DISTINCT FROM fingerprint;

-- The limits in force at an instant for a key: those that a worker names (its JSON is a list of the type Limit), and for
-- the day what the provider itself said to that key, when that is less and not older than a day's window. A maximum of 0
-- is none. frees_at: when the next request fits. A span (window and margin) after the max-th newest request all that lie
-- within one span are fewer than max; null when there are fewer already.
CREATE FUNCTION provider_limits(named jsonb, fingerprint text, at timestamptz)
RETURNS TABLE (name text, max integer, window_ms float8, margin_ms float8, span interval, frees_at timestamptz)
LANGUAGE sql STABLE AS $$
  SELECT in_force.name, in_force.max, in_force.window_ms, in_force.margin_ms, in_force.span,
         (SELECT slot_at FROM provider_requests AS book WHERE counts_for_key(book, fingerprint)
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

-- The clock that everything here goes by.
CREATE FUNCTION ledger_now() RETURNS timestamptz LANGUAGE sql VOLATILE
RETURN clock_timestamp();

-- What the ledger has noted can lie so far ahead at most; what lies further was noted by a clock that was ahead. A request is
-- booked 1.25 s ahead; a refusal blocks for an hour, a key for a day; probes are 6 hours apart, and last 6 s unless they
-- are renewed. The rest is of the past.
CREATE FUNCTION ledger_horizon(OUT past interval, OUT probe interval, OUT next_probe interval, OUT blocked interval, OUT retry interval)
LANGUAGE sql IMMUTABLE RETURN ROW(interval '5 s', interval '11 s', interval '6 hours', interval '1 hour', interval '1 day');

-- A reading of the clock, for workers, who see by their own time whether it was set; see DatabaseClock. isBehind: something
-- lies further ahead than anything can. newestId: of the book; what has a higher one was written later.
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

-- What lies further ahead than it can is taken for noted now: a request for one just sent, a wait for one just begun.
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

-- Moves along with a clock that was set what was noted by it; see noteClockJump. Forward all of it. Back the requests up to
-- the newest that was booked when the clock was last known to be right, and of everything else what cannot have been noted
-- since, which then lies ahead: what is left seems newer than it is, and never older.
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
  -- One that was sent before the jump and concluded after it has its conclusion by the clock of now.
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

-- Whoever writes what a reservation reads takes turns. Only within one autocommitted statement: a client that is
-- frozen between two (SIGSTOP, garbage collection, a lost network) can then never sit on the lock.
CREATE FUNCTION lock_provider_quota() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  -- Under any other level the statements to come would not see what the last holder of the lock committed.
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'the quota ledger needs READ COMMITTED' USING ERRCODE = 'invalid_transaction_state';
  END IF;
  PERFORM pg_advisory_xact_lock(x'51554f5441'::bigint); -- "QUOTA" in ASCII
END
$$;

-- What keeps every request with this key from being sent, whatever it asks for, as reserve_provider_request refuses it;
-- null when nothing does.
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
   WHERE access.key_fingerprint = fingerprint AND access.class IN ('invalid_key', 'demo_key') AND access.retry_at > at
   ORDER BY access.retry_at DESC LIMIT 1;
  IF FOUND THEN
    RETURN jsonb_build_object('granted', false, 'reason', 'key', 'class', known.class,
      'detail', known.detail, 'waitMs', interval_ms(known.retry_at - at));
  END IF;
  -- Whoever holds what cannot be stored says so again every 5 s, and tries: nobody else has to. Lost, it holds up nobody.
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

-- The limit that lets the next request wait longest, and when that request fits; null when none of them is full.
CREATE FUNCTION provider_slot(named_limits jsonb, fingerprint text, at timestamptz, OUT name text, OUT frees_at timestamptz)
LANGUAGE sql STABLE AS $$
  SELECT in_force.name, in_force.frees_at FROM provider_limits(named_limits, fingerprint, at) AS in_force
   ORDER BY in_force.frees_at DESC NULLS LAST LIMIT 1
$$;

-- Why a request would not get a slot now, as reserve_provider_request would refuse it; null when it would get one. Takes
-- nothing, and no lock: for a worker that waits, and looks again and again.
CREATE FUNCTION provider_gate(named_limits jsonb, fingerprint text, ahead_ms float8) RETURNS jsonb
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  at timestamptz;
  clock jsonb;
  closed jsonb;
  binding record;
BEGIN
  -- In one statement: the offset is that of the clock that was read.
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

-- Reserves the next slot, or says why not and for how long; see reserveRequest. VOLATILE: each statement in it sees
-- what was committed before it began, so also what the last holder of the lock wrote. The clock is read with the lock
-- held. The lock is released after the commit is on disk: a slot that was answered survives a crash of the server.
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

-- The same with the lock held, at an instant; asked for so long before.
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
    RETURN jsonb_build_object('granted', false, 'reason', 'entitlement', 'class', known.class,
      'detail', known.detail, 'waitMs', interval_ms(known.retry_at - asked_at));
  END IF;
  is_probe := known.state IS DISTINCT FROM 'accepted';
  -- One probe at a time for the whole key: an invalid one costs one request, whatever is asked for.
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
  -- Whoever passed the barrier while there is an outage finds out whether it is over; nobody else does meanwhile.
  UPDATE provider_state SET outage_probe_id = request_id, outage_probe_until = slot + interval '6 s'
   WHERE outage_since IS NOT NULL;
  is_probe := is_probe OR FOUND;
  -- slotMs holds the wait for the lock, so that nobody takes it for being late; rounded down, late is never early.
  RETURN jsonb_build_object('granted', true, 'id', request_id, 'probe', is_probe,
    'slotMs', floor(extract(epoch FROM slot - asked_at + turn) * 1000),
    'waitMs', greatest(0, interval_ms(slot - ledger_now())));
END
$$;

-- Gives back a slot whose request was never sent; see discardRequest. Not once the provider has said since, to its key, that
-- the day is spent: the slot was counted when the book was filled up, and without it the book would have room that the provider
-- says there is not. It then stays, as somebody else's. The lock keeps a refusal from being booked in between.
-- A slot is reserved at most a second ahead; requests are refused within a minute of their slot. The upper bound makes
-- the planner read the index before it knows the table.
CREATE FUNCTION discard_provider_request(discarded_id bigint) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  reserved_after timestamptz;
  fingerprint text;
BEGIN
  PERFORM lock_provider_quota();
  SELECT book.slot_at - interval '1 s', book.key_fingerprint INTO reserved_after, fingerprint
    FROM provider_requests AS book WHERE book.id = discarded_id AND book.outcome IS NULL;
  IF NOT FOUND THEN RETURN; END IF;
  IF EXISTS (SELECT FROM provider_keys AS keys WHERE keys.key_fingerprint = fingerprint AND keys.said_at > reserved_after)
    OR EXISTS (SELECT FROM provider_requests AS refused
                WHERE refused.slot_at BETWEEN reserved_after - interval '1 minute' AND reserved_after + interval '1 day'
                  AND refused.outcome IN ('daily_limit', 'foreign') AND refused.concluded_at > reserved_after
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

-- Remembers that a key may not have what a request asked for: entitlement for a day, a refusal of the key itself for
-- an hour, doubled at each further one up to a day, since every ask also spends the quota of the address.
CREATE FUNCTION refuse_provider_access(refused_id bigint, refused_class text, refused_detail text)
RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  refused_at timestamptz;
  request provider_requests;
  earlier_refusals integer := 0;
  earlier_retry_at timestamptz;
  wait interval := interval '1 day';
BEGIN
  PERFORM lock_provider_quota();
  refused_at := ledger_now();
  SELECT * INTO request FROM provider_requests AS book WHERE book.id = refused_id;
  IF request.key_fingerprint IS NULL THEN RETURN; END IF;

  IF refused_class IN ('invalid_key', 'demo_key') THEN
    SELECT coalesce(max(access.refusals), 0), max(access.retry_at) INTO earlier_refusals, earlier_retry_at
      FROM provider_access AS access
     WHERE access.key_fingerprint = request.key_fingerprint AND access.class IN ('invalid_key', 'demo_key');
    -- Requests that were under way together are refused together, and count once.
    IF earlier_retry_at > refused_at THEN RETURN; END IF;
    wait := least(wait, interval '1 hour' * 2 ^ least(earlier_refusals, 5));
    -- What the key was accepted for before it must prove again, one request at a time.
    DELETE FROM provider_access AS access
     WHERE access.key_fingerprint = request.key_fingerprint AND access.class IS DISTINCT FROM 'entitlement';
  END IF;

  INSERT INTO provider_access AS access
    (key_fingerprint, function, outputsize, state, class, detail, refusals, retry_at, decided_at)
  VALUES (request.key_fingerprint, request.function, request.outputsize, 'refused', refused_class, refused_detail,
          earlier_refusals + 1, refused_at + wait, refused_at)
  ON CONFLICT (key_fingerprint, function, outputsize) DO UPDATE SET
    state = excluded.state, class = excluded.class, detail = excluded.detail, refusals = excluded.refusals,
    retry_at = excluded.retry_at, decided_at = excluded.decided_at, probe_id = NULL, probe_until = NULL;
END
$$;

-- A daily refusal overrules the book for the key it was said to: somebody else spends from the same quota. The hour at which the provider's day
-- begins is disputed, so its window is taken to roll, and the book is filled up to the limit with requests of now:
-- from then on it says by itself when to ask again. False when no daily limit is known, neither the plan's nor said.
CREATE FUNCTION record_daily_refusal(named_limits jsonb, fingerprint text, said integer, refused_detail text)
RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  refused_at timestamptz;
  day_limit record;
BEGIN
  PERFORM lock_provider_quota();
  refused_at := ledger_now();
  IF said > 0 THEN
    INSERT INTO provider_keys AS keys (key_fingerprint, said_at, said_detail, said_per_day)
    VALUES (fingerprint, refused_at, refused_detail, CASE WHEN said < ALL (
        SELECT plan.max FROM jsonb_to_recordset(named_limits) AS plan(name text, max integer)
         WHERE plan.name = 'day' AND plan.max > 0) THEN said END)
    ON CONFLICT (key_fingerprint) DO UPDATE SET
      said_at = excluded.said_at, said_detail = excluded.said_detail, said_per_day = excluded.said_per_day;
  END IF;
  SELECT in_force.max, in_force.span INTO day_limit
    FROM provider_limits(named_limits, fingerprint, refused_at) AS in_force WHERE in_force.name = 'day';
  IF NOT FOUND THEN RETURN false; END IF;
  INSERT INTO provider_requests (slot_at, key_fingerprint, outcome, concluded_at)
  SELECT refused_at, fingerprint, 'foreign', refused_at
    FROM generate_series(1, day_limit.max - (
      SELECT count(*) FROM provider_requests AS book
       WHERE book.slot_at > refused_at - day_limit.span AND counts_for_key(book, fingerprint)));
  RETURN true;
END
$$;

-- Notes that a request got no answer; see noteUnanswered. So many different symbols in a row open an outage; then only
-- the failure of its probe counts, and puts the next one off, twice as long each time. Those under way when it opened tell
-- nothing new. Failures are counted no further than the longest wait needs: many that spent nothing would otherwise put off
-- for hours the first that does. One probe in each span of attempt_ms, the last due in it, is an attempt of its item.
CREATE FUNCTION note_unanswered_request(
  failed_id bigint, failed_symbol text, failed_class text, failed_detail text, needed integer,
  first_ms float8, longest_ms float8, attempt_ms float8
) RETURNS jsonb LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  noted_at timestamptz;
  state provider_state;
  symbols text[];
  was_due_at timestamptz;
  is_attempt boolean := false;
BEGIN
  PERFORM lock_provider_quota();
  noted_at := ledger_now();
  SELECT * INTO state FROM provider_state;
  IF state.outage_since IS NULL THEN
    symbols := string_to_array(coalesce(state.outage_symbol, ''), ',');
    IF failed_symbol <> ALL (symbols) THEN
      symbols := symbols || failed_symbol;
    END IF;
    UPDATE provider_state SET outage_symbol = array_to_string(symbols, ','), outage_failures = cardinality(symbols);
    IF cardinality(symbols) < needed THEN
      RETURN jsonb_build_object('isOpen', false);
    END IF;
    UPDATE provider_state SET outage_since = noted_at, outage_class = failed_class, outage_detail = failed_detail,
      outage_probe_at = noted_at + first_ms * interval '1 ms', outage_probe_id = NULL, outage_probe_until = NULL
    RETURNING * INTO state;
    RETURN jsonb_build_object('isOpen', true, 'isNew', true, 'isAttempt', false, 'waitMs', first_ms);
  END IF;
  IF state.outage_probe_id = failed_id THEN
    was_due_at := state.outage_probe_at;
    UPDATE provider_state SET outage_class = failed_class, outage_detail = failed_detail,
      outage_failures = least(outage_failures + 1, needed + ceil(log(2, (longest_ms / first_ms)::numeric))),
      outage_probe_at = noted_at
        + least(longest_ms, first_ms * 2 ^ greatest(1, outage_failures + 1 - needed)) * interval '1 ms',
      outage_probe_id = NULL, outage_probe_until = NULL
    RETURNING * INTO state;
    is_attempt := floor(extract(epoch FROM state.outage_probe_at - state.outage_since) * 1000 / attempt_ms)
                > floor(extract(epoch FROM was_due_at - state.outage_since) * 1000 / attempt_ms);
  END IF;
  RETURN jsonb_build_object('isOpen', true, 'isNew', false, 'isAttempt', is_attempt,
    'waitMs', greatest(0, interval_ms(greatest(state.outage_probe_at, state.outage_probe_until) - noted_at)));
END
$$;
