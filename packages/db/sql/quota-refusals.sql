-- What the provider's refusals and silence do to the requests that follow. Callers: src/quota/ledger-refusals.ts, outage.ts.

-- Remembers that a key may not have what a request asked for: a refusal of this access for a day, a refusal of the key itself
-- for an hour, doubled at each further refusal up to a day, since every request also spends the quota of the address.
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
  SELECT * INTO request FROM provider_requests AS sent WHERE sent.id = refused_id;
  IF request.key_fingerprint IS NULL THEN RETURN; END IF;

  IF EXISTS (SELECT FROM refusal_classes WHERE class = refused_class AND scope = 'key') THEN
    SELECT coalesce(max(access.refusals), 0), max(access.retry_at) INTO earlier_refusals, earlier_retry_at
      FROM provider_access AS access
     WHERE access.key_fingerprint = request.key_fingerprint
       AND access.class IN (SELECT class FROM refusal_classes WHERE scope = 'key');
    -- Requests that were under way together are refused together, and count as one refusal.
    IF earlier_retry_at > refused_at THEN RETURN; END IF;
    wait := least(wait, interval '1 hour' * 2 ^ least(earlier_refusals, 5));
    -- The key must prove again, one request at a time, whatever it was accepted for before.
    DELETE FROM provider_access AS access
     WHERE access.key_fingerprint = request.key_fingerprint
       AND NOT EXISTS (SELECT FROM refusal_classes AS known WHERE known.class = access.class AND known.scope = 'access');
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

-- Records that the provider called the day spent, though the ledger had room for this key: somebody else spends from its
-- quota. The hour at which the provider's day begins is disputed, so its window is taken to roll, and the ledger is filled up
-- to the limit with requests of now: from then on it says by itself when to ask again. Returns false when no daily limit is
-- known, neither the plan's nor one that the provider told.
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
      SELECT count(*) FROM provider_requests AS request
       WHERE request.slot_at > refused_at - day_limit.span AND counts_for_key(request, fingerprint)));
  RETURN true;
END
$$;

-- Records that a request got no answer; see noteUnanswered. So many different symbols in a row (`needed`) open an outage;
-- from then on only the failure of its probe counts, and doubles the delay of the next probe. Requests that were under way
-- when the outage opened tell nothing new. Failures are counted no further than the longest delay needs: many failures that
-- spent nothing would otherwise delay the first probe that spends something for hours. One probe in each span of attempt_ms,
-- the last one due in it, is an attempt of its item.
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
