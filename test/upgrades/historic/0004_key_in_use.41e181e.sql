ALTER TABLE "provider_state" ADD COLUMN "key_fingerprint" text;--> statement-breakpoint
UPDATE "provider_state" SET "key_fingerprint" = (
  SELECT "key_fingerprint" FROM "provider_requests" WHERE "key_fingerprint" IS NOT NULL ORDER BY "id" DESC LIMIT 1);--> statement-breakpoint

-- As in 0001, but for the key that is noted first.
-- Reserves the next slot, or says why not and for how long; see reserveRequest. VOLATILE: each statement in it sees
-- what was committed before it began, so also what the last holder of the lock wrote. The clock is read with the lock
-- held. The lock is released after the commit is on disk: a slot that was answered survives a crash of the server.
CREATE OR REPLACE FUNCTION reserve_provider_request(
  named_limits jsonb, fingerprint text, asked_function text, asked_outputsize text, for_item bigint, ahead_ms float8
) RETURNS jsonb LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  asked_at timestamptz;
  state provider_state;
  known provider_access;
  binding record;
  slot timestamptz;
  request_id bigint;
  is_probe boolean;
BEGIN
  PERFORM lock_provider_quota();
  asked_at := clock_timestamp();
  UPDATE provider_state SET key_fingerprint = fingerprint WHERE key_fingerprint IS DISTINCT FROM fingerprint;

  SELECT * INTO state FROM provider_state;
  IF state.blocked_until > asked_at THEN
    RETURN jsonb_build_object('granted', false, 'reason', 'blocked', 'class', state.blocked_class,
      'detail', state.blocked_detail, 'waitMs', interval_ms(state.blocked_until - asked_at));
  END IF;

  SELECT * INTO known FROM provider_access AS access
   WHERE access.key_fingerprint = fingerprint AND access.class IN ('invalid_key', 'demo_key') AND access.retry_at > asked_at
   ORDER BY access.retry_at DESC LIMIT 1;
  IF FOUND THEN
    RETURN jsonb_build_object('granted', false, 'reason', 'key', 'class', known.class,
      'detail', known.detail, 'waitMs', interval_ms(known.retry_at - asked_at));
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

  SELECT in_force.name, in_force.frees_at INTO binding FROM provider_limits(named_limits, asked_at) AS in_force
   ORDER BY in_force.frees_at DESC NULLS LAST LIMIT 1;
  slot := greatest(asked_at, binding.frees_at);
  IF slot > asked_at + ahead_ms * interval '1 ms' THEN
    RETURN jsonb_build_object('granted', false, 'reason', binding.name, 'waitMs', interval_ms(slot - asked_at));
  END IF;

  INSERT INTO provider_requests AS request (slot_at, key_fingerprint, function, outputsize, item_id)
  VALUES (slot, fingerprint, asked_function, asked_outputsize, for_item) RETURNING request.id INTO request_id;
  IF is_probe THEN
    INSERT INTO provider_access AS access (key_fingerprint, function, outputsize, state, probe_id, probe_until)
    VALUES (fingerprint, asked_function, asked_outputsize, 'probing', request_id, slot + interval '60 s')
    ON CONFLICT (key_fingerprint, function, outputsize)
      DO UPDATE SET state = 'probing', probe_id = excluded.probe_id, probe_until = excluded.probe_until;
  END IF;
  -- slotMs holds the wait for the lock, so that nobody takes it for being late; rounded down, late is never early.
  RETURN jsonb_build_object('granted', true, 'id', request_id, 'probe', is_probe,
    'slotMs', floor(extract(epoch FROM slot - statement_timestamp()) * 1000),
    'waitMs', greatest(0, interval_ms(slot - clock_timestamp())));
END
$$;
