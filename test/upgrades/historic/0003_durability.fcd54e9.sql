CREATE TABLE "idempotency_keys" (
	"key" text PRIMARY KEY NOT NULL,
	"request_hash" text NOT NULL,
	"run_id" uuid NOT NULL,
	"answer" jsonb NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "item_rejected_rows" (
	"item_id" bigint NOT NULL,
	"rejected_row_id" bigint NOT NULL,
	CONSTRAINT "item_rejected_rows_pkey" PRIMARY KEY("item_id","rejected_row_id")
);
--> statement-breakpoint
CREATE TABLE "price_revisions" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "price_revisions_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"symbol" text COLLATE "C" NOT NULL,
	"date" date NOT NULL,
	"old_open_price" numeric NOT NULL,
	"old_high_price" numeric NOT NULL,
	"old_low_price" numeric NOT NULL,
	"old_close_price" numeric NOT NULL,
	"old_volume" bigint NOT NULL,
	"new_open_price" numeric NOT NULL,
	"new_high_price" numeric NOT NULL,
	"new_low_price" numeric NOT NULL,
	"new_close_price" numeric NOT NULL,
	"new_volume" bigint NOT NULL,
	"revised_at" timestamp with time zone DEFAULT statement_timestamp() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "rejected_rows" DROP CONSTRAINT "rejected_rows_item_id_ingest_items_id_fk";
--> statement-breakpoint
DROP INDEX "rejected_rows_run";--> statement-breakpoint
DROP INDEX "rejected_rows_symbol";--> statement-breakpoint
ALTER TABLE "financial_data" ALTER COLUMN "created_at" SET DEFAULT statement_timestamp();--> statement-breakpoint
ALTER TABLE "ingest_items" ADD COLUMN "alone" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "ingest_items" ADD COLUMN "lone_losses" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "rejected_rows" ADD COLUMN "times" integer DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE "rejected_rows" ADD COLUMN "last_rejected_at" timestamp with time zone DEFAULT now() NOT NULL;--> statement-breakpoint
ALTER TABLE "rejected_rows" ADD COLUMN "resolved_at" timestamp with time zone;--> statement-breakpoint
-- Until now a record was kept once a fetch; from now on once, with the items that brought it.
UPDATE "rejected_rows" SET "last_rejected_at" = "rejected_at";--> statement-breakpoint
INSERT INTO "item_rejected_rows" ("item_id", "rejected_row_id")
SELECT DISTINCT "item_id", min("id") OVER (PARTITION BY "symbol", md5("raw"::text)) FROM "rejected_rows";--> statement-breakpoint
UPDATE "rejected_rows" AS kept SET "times" = same.times, "last_rejected_at" = same.last
  FROM (SELECT min("id") AS id, count(*) AS times, max("rejected_at") AS last
          FROM "rejected_rows" GROUP BY "symbol", md5("raw"::text)) AS same
 WHERE kept."id" = same.id;--> statement-breakpoint
DELETE FROM "rejected_rows" AS again
 WHERE NOT EXISTS (SELECT FROM "item_rejected_rows" WHERE "rejected_row_id" = again."id");--> statement-breakpoint
ALTER TABLE "idempotency_keys" ADD CONSTRAINT "idempotency_keys_run_id_ingest_runs_id_fk" FOREIGN KEY ("run_id") REFERENCES "public"."ingest_runs"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "item_rejected_rows" ADD CONSTRAINT "item_rejected_rows_item_id_ingest_items_id_fk" FOREIGN KEY ("item_id") REFERENCES "public"."ingest_items"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "item_rejected_rows" ADD CONSTRAINT "item_rejected_rows_rejected_row_id_rejected_rows_id_fk" FOREIGN KEY ("rejected_row_id") REFERENCES "public"."rejected_rows"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "item_rejected_rows_row" ON "item_rejected_rows" USING btree ("rejected_row_id");--> statement-breakpoint
CREATE INDEX "price_revisions_row" ON "price_revisions" USING btree ("symbol","date","revised_at");--> statement-breakpoint
CREATE UNIQUE INDEX "rejected_rows_record" ON "rejected_rows" USING btree ("symbol",md5("raw"::text));--> statement-breakpoint
CREATE INDEX "rejected_rows_unresolved" ON "rejected_rows" USING btree ("symbol","date") WHERE "rejected_rows"."resolved_at" IS NULL;--> statement-breakpoint
ALTER TABLE "rejected_rows" DROP COLUMN "item_id";--> statement-breakpoint
ALTER TABLE "rejected_rows" DROP COLUMN "run_id";