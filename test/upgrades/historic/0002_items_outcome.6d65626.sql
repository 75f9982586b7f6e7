DROP INDEX "ingest_items_withdrawable";--> statement-breakpoint
ALTER TABLE "ingest_items" ADD COLUMN "outcome" text;--> statement-breakpoint
ALTER TABLE "ingest_items" ADD COLUMN "history_limited" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "ingest_items" ADD COLUMN "waiting_reason" text;--> statement-breakpoint
ALTER TABLE "ingest_items" ADD COLUMN "refused_since" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "symbols" ADD COLUMN "last_full_fetched_at" timestamp with time zone;--> statement-breakpoint
UPDATE "ingest_items" SET "outcome" = 'fetched' WHERE "state" = 'succeeded';--> statement-breakpoint
CREATE INDEX "ingest_items_withdrawable" ON "ingest_items" USING btree ("id") WHERE "ingest_items"."dispatched_at" IS NOT NULL AND ("ingest_items"."state" = 'cancelled' OR "ingest_items"."outcome" IN ('coalesced', 'up_to_date'));--> statement-breakpoint
ALTER TABLE "ingest_items" ADD CONSTRAINT "ingest_items_outcome" CHECK ("ingest_items"."outcome" IN ('fetched', 'coalesced', 'up_to_date'));--> statement-breakpoint
ALTER TABLE "ingest_items" ADD CONSTRAINT "ingest_items_succeeded" CHECK (("ingest_items"."outcome" IS NOT NULL) = ("ingest_items"."state" = 'succeeded') AND ("ingest_items"."outcome" <> 'fetched' OR "ingest_items"."rows_fetched" > 0));--> statement-breakpoint

-- The close of the last weekday session that is over: 16:00 in the provider's time zone, which it names for every
-- exchange. Holidays count as sessions here: whoever knows better than the provider asks with force.
CREATE FUNCTION last_session_close(at timestamptz) RETURNS timestamptz LANGUAGE sql STABLE AS $$
  SELECT (day - greatest(0, extract(isodow FROM day)::int - 5) + time '16:00') AT TIME ZONE 'America/New_York'
    FROM (SELECT (at AT TIME ZONE 'America/New_York' - interval '16 hours')::date AS day) AS closed
$$;--> statement-breakpoint

-- Why an item needs no request; null when it does. `fetched_at`: when the newest request was sent that brought at least
-- what the item asks for, and `last_date`, the newest stored row. A bar can be published some hours after the close, so
-- a fetch after it proves nothing until it brought that day's bar or those hours had passed (a holiday brings none).
CREATE FUNCTION needless(accepted_at timestamptz, fetched_at timestamptz, last_date date, at timestamptz)
RETURNS text LANGUAGE sql STABLE AS $$
  SELECT CASE
    WHEN fetched_at > accepted_at THEN 'coalesced'
    WHEN fetched_at >= closed_at
     AND (last_date >= (closed_at AT TIME ZONE 'America/New_York')::date OR fetched_at >= closed_at + interval '6 hours')
      THEN 'up_to_date'
  END
  FROM last_session_close(at) AS closed_at
$$;
