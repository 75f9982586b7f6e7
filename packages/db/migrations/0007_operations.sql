CREATE TABLE "workers" (
	"id" uuid PRIMARY KEY DEFAULT uuidv7() NOT NULL,
	"name" text NOT NULL,
	"version" text NOT NULL,
	"plan" text NOT NULL,
	"limits" jsonb NOT NULL,
	"key_fingerprint" text,
	"key_problem" text,
	"concurrency" integer NOT NULL,
	"queue" text NOT NULL,
	"started_at" timestamp with time zone DEFAULT now() NOT NULL,
	"last_seen_at" timestamp with time zone DEFAULT now() NOT NULL,
	"waiting_for" text,
	"waiting_reason" text,
	"waiting_until" timestamp with time zone,
	CONSTRAINT "workers_waiting_for" CHECK ("workers"."waiting_for" IN ('quota', 'key', 'provider', 'storage'))
);
--> statement-breakpoint
ALTER TABLE "ingest_items" DROP CONSTRAINT "ingest_items_waiting_for";--> statement-breakpoint
-- One statement a table, which is written anew once.
ALTER TABLE "financial_data" DROP CONSTRAINT "financial_data_volume", ALTER COLUMN "volume" SET DATA TYPE numeric,
  ADD CONSTRAINT "financial_data_volume" CHECK ("financial_data"."volume" >= 0 AND "financial_data"."volume" < 'Infinity');--> statement-breakpoint
ALTER TABLE "price_revisions" ALTER COLUMN "old_volume" SET DATA TYPE numeric, ALTER COLUMN "new_volume" SET DATA TYPE numeric;--> statement-breakpoint
ALTER TABLE "provider_state" ADD COLUMN "outage_since" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "provider_state" ADD COLUMN "outage_class" text;--> statement-breakpoint
ALTER TABLE "provider_state" ADD COLUMN "outage_detail" text;--> statement-breakpoint
ALTER TABLE "provider_state" ADD COLUMN "outage_failures" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "provider_state" ADD COLUMN "outage_symbol" text;--> statement-breakpoint
ALTER TABLE "provider_state" ADD COLUMN "outage_probe_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "provider_state" ADD COLUMN "outage_probe_id" bigint;--> statement-breakpoint
ALTER TABLE "provider_state" ADD COLUMN "outage_probe_until" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "provider_state" ADD COLUMN "storage_failed_since" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "provider_state" ADD COLUMN "storage_failed_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "provider_state" ADD COLUMN "storage_class" text;--> statement-breakpoint
ALTER TABLE "provider_state" ADD COLUMN "storage_detail" text;--> statement-breakpoint
ALTER TABLE "ingest_items" ADD COLUMN "rows_dropped" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "ingest_items" ADD COLUMN "newest_rejected" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "ingest_items" ADD CONSTRAINT "ingest_items_waiting_for" CHECK ("ingest_items"."waiting_for" IN ('quota', 'key', 'provider', 'storage'));