CREATE TABLE "provider_access" (
	"key_fingerprint" text NOT NULL,
	"function" text NOT NULL,
	"outputsize" text NOT NULL,
	"state" text NOT NULL,
	"class" text,
	"detail" text,
	"refusals" integer DEFAULT 0 NOT NULL,
	"retry_at" timestamp with time zone,
	"probe_id" bigint,
	"probe_until" timestamp with time zone,
	"decided_at" timestamp with time zone,
	CONSTRAINT "provider_access_pkey" PRIMARY KEY("key_fingerprint","function","outputsize"),
	CONSTRAINT "provider_access_state" CHECK ("provider_access"."state" IN ('probing', 'accepted', 'refused'))
);
--> statement-breakpoint
CREATE TABLE "provider_request_days" (
	"day" date NOT NULL,
	"outcome" text NOT NULL,
	"requests" bigint NOT NULL,
	"bytes" bigint NOT NULL,
	CONSTRAINT "provider_request_days_pkey" PRIMARY KEY("day","outcome")
);
--> statement-breakpoint
CREATE TABLE "provider_requests" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "provider_requests_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"slot_at" timestamp with time zone NOT NULL,
	"key_fingerprint" text,
	"function" text,
	"outputsize" text,
	"item_id" bigint,
	"outcome" text,
	"duration_ms" integer,
	"bytes" bigint,
	"concluded_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "provider_state" (
	"id" integer PRIMARY KEY DEFAULT 1 NOT NULL,
	"plan" text,
	"limits" jsonb,
	"published_at" timestamp with time zone,
	"blocked_until" timestamp with time zone,
	"blocked_class" text,
	"blocked_detail" text,
	"said_per_day" integer,
	"said_at" timestamp with time zone,
	"said_detail" text,
	"key_fingerprint" text,
	"key_missing_at" timestamp with time zone,
	CONSTRAINT "provider_state_one_row" CHECK ("provider_state"."id" = 1)
);
--> statement-breakpoint
CREATE INDEX "provider_requests_slot" ON "provider_requests" USING btree ("slot_at");--> statement-breakpoint
CREATE INDEX "ingest_items_unfinished" ON "ingest_items" USING btree ("id","run_id","state") WHERE "ingest_items"."state" IN ('pending', 'running');--> statement-breakpoint
INSERT INTO "provider_state" DEFAULT VALUES;--> statement-breakpoint

-- Whole milliseconds, rounded up: who waits so long is never early.
CREATE FUNCTION interval_ms(waiting interval) RETURNS float8 LANGUAGE sql IMMUTABLE
RETURN ceil(extract(epoch FROM waiting) * 1000)::float8;--> statement-breakpoint

-- The limits in force at an instant: those that a worker names (its JSON is a list of the type Limit), and for the
-- day what the provider itself said, when that is less and not older than a day's window. A maximum of 0 is none.
-- frees_at: when the next request fits. A span (window and margin) after the max-th newest request all that lie
-- within one span are fewer than max; null when there are fewer already.
CREATE FUNCTION provider_limits(named jsonb, at timestamptz)
RETURNS TABLE (name text, max integer, window_ms float8, margin_ms float8, span interval, frees_at timestamptz)
LANGUAGE sql STABLE AS $$
  SELECT in_force.name, in_force.max, in_force.window_ms, in_force.margin_ms, in_force.span,
         (SELECT slot_at FROM provider_requests ORDER BY slot_at DESC OFFSET in_force.max - 1 LIMIT 1) + in_force.span
    FROM (
      SELECT given.name, given."windowMs" AS window_ms, given."marginMs" AS margin_ms, given.span,
             CASE WHEN given.name = 'day' AND state.said_at + given.span > at
                   AND (given.max = 0 OR state.said_per_day < given.max) THEN state.said_per_day ELSE given.max END AS max
        FROM provider_state AS state
       CROSS JOIN (
         SELECT *, ("windowMs" + "marginMs") * interval '1 ms' AS span
           FROM jsonb_to_recordset(named) AS listed(name text, max integer, "windowMs" float8, "marginMs" float8)
       ) AS given
    ) AS in_force
   WHERE in_force.max > 0
$$;--> statement-breakpoint

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
$$;--> statement-breakpoint

-- Reserves the next slot, or says why not and for how long; see reserveRequest. VOLATILE: each statement in it sees
-- what was committed before it began, so also what the last holder of the lock wrote. The clock is read with the lock
-- held. The lock is released after the commit is on disk: a slot that was answered survives a crash of the server.
CREATE FUNCTION reserve_provider_request(
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
    VALUES (fingerprint, asked_function, asked_outputsize, 'probing', request_id, slot + interval '6 s')
    ON CONFLICT (key_fingerprint, function, outputsize)
      DO UPDATE SET state = 'probing', probe_id = excluded.probe_id, probe_until = excluded.probe_until;
  END IF;
  -- slotMs holds the wait for the lock, so that nobody takes it for being late; rounded down, late is never early.
  RETURN jsonb_build_object('granted', true, 'id', request_id, 'probe', is_probe,
    'slotMs', floor(extract(epoch FROM slot - statement_timestamp()) * 1000),
    'waitMs', greatest(0, interval_ms(slot - clock_timestamp())));
END
$$;--> statement-breakpoint

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
  refused_at := clock_timestamp();
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
$$;--> statement-breakpoint

-- A daily refusal overrules the book: somebody else spends from the same quota. The hour at which the provider's day
-- begins is disputed, so its window is taken to roll, and the book is filled up to the limit with requests of now:
-- from then on it says by itself when to ask again. False when no daily limit is known, neither the plan's nor said.
CREATE FUNCTION record_daily_refusal(named_limits jsonb, said integer, refused_detail text)
RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  refused_at timestamptz;
  day_limit record;
BEGIN
  PERFORM lock_provider_quota();
  refused_at := clock_timestamp();
  IF said > 0 THEN
    UPDATE provider_state SET said_at = refused_at, said_detail = refused_detail,
      said_per_day = CASE WHEN said < ALL (
        SELECT plan.max FROM jsonb_to_recordset(named_limits) AS plan(name text, max integer)
         WHERE plan.name = 'day' AND plan.max > 0) THEN said END;
  END IF;
  SELECT in_force.max, in_force.span INTO day_limit
    FROM provider_limits(named_limits, refused_at) AS in_force WHERE in_force.name = 'day';
  IF NOT FOUND THEN RETURN false; END IF;
  INSERT INTO provider_requests (slot_at, outcome, concluded_at)
  SELECT refused_at, 'foreign', refused_at
    FROM generate_series(1, day_limit.max - (
      SELECT count(*) FROM provider_requests AS book WHERE book.slot_at > refused_at - day_limit.span));
  RETURN true;
END
$$;
