CREATE TABLE "financial_data" (
	"symbol" text COLLATE "C" NOT NULL,
	"date" date NOT NULL,
	"open_price" numeric NOT NULL,
	"high_price" numeric NOT NULL,
	"low_price" numeric NOT NULL,
	"close_price" numeric NOT NULL,
	"volume" bigint NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "financial_data_pkey" PRIMARY KEY("symbol","date") INCLUDE ("open_price","high_price","low_price","close_price","volume"),
	CONSTRAINT "financial_data_ohlc" CHECK ("financial_data"."low_price" >= 0 AND "financial_data"."low_price" <= "financial_data"."open_price" AND "financial_data"."low_price" <= "financial_data"."close_price" AND "financial_data"."open_price" <= "financial_data"."high_price" AND "financial_data"."close_price" <= "financial_data"."high_price" AND "financial_data"."high_price" < 'Infinity'),
	CONSTRAINT "financial_data_volume" CHECK ("financial_data"."volume" >= 0)
);
--> statement-breakpoint
CREATE TABLE "ingest_failures" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "ingest_failures_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"item_id" bigint NOT NULL,
	"run_id" uuid NOT NULL,
	"symbol" text COLLATE "C" NOT NULL,
	"attempt" integer NOT NULL,
	"final" boolean NOT NULL,
	"class" text NOT NULL,
	"detail" text NOT NULL,
	"advice" text NOT NULL,
	"http_status" integer,
	"evidence" text,
	"failed_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "ingest_items" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "ingest_items_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"run_id" uuid NOT NULL,
	"symbol" text COLLATE "C" NOT NULL,
	"state" text DEFAULT 'pending' NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"claim" integer DEFAULT 0 NOT NULL,
	"outputsize" text,
	"waiting_for" text,
	"next_attempt_at" timestamp with time zone,
	"dispatched_at" timestamp with time zone,
	"started_at" timestamp with time zone,
	"finished_at" timestamp with time zone,
	"rows_fetched" integer DEFAULT 0 NOT NULL,
	"rows_inserted" integer DEFAULT 0 NOT NULL,
	"rows_updated" integer DEFAULT 0 NOT NULL,
	"rows_unchanged" integer DEFAULT 0 NOT NULL,
	"rows_rejected" integer DEFAULT 0 NOT NULL,
	"rows_provisional" integer DEFAULT 0 NOT NULL,
	CONSTRAINT "ingest_items_state" CHECK ("ingest_items"."state" IN ('pending', 'running', 'succeeded', 'failed', 'cancelled')),
	CONSTRAINT "ingest_items_outputsize" CHECK ("ingest_items"."outputsize" IN ('compact', 'full')),
	CONSTRAINT "ingest_items_waiting_for" CHECK ("ingest_items"."waiting_for" IN ('quota', 'key')),
	CONSTRAINT "ingest_items_rows" CHECK ("ingest_items"."rows_fetched" = "ingest_items"."rows_inserted" + "ingest_items"."rows_updated" + "ingest_items"."rows_unchanged" + "ingest_items"."rows_rejected" + "ingest_items"."rows_provisional"),
	CONSTRAINT "ingest_items_finished" CHECK (("ingest_items"."finished_at" IS NOT NULL) = ("ingest_items"."state" IN ('succeeded', 'failed', 'cancelled')))
);
--> statement-breakpoint
CREATE TABLE "ingest_runs" (
	"id" uuid PRIMARY KEY DEFAULT uuidv7() NOT NULL,
	"trigger" text NOT NULL,
	"outputsize" text NOT NULL,
	"force" boolean NOT NULL,
	"priority" text NOT NULL,
	"requested_at" timestamp with time zone DEFAULT now() NOT NULL,
	"cancelled_at" timestamp with time zone,
	CONSTRAINT "ingest_runs_trigger" CHECK ("ingest_runs"."trigger" IN ('api', 'start')),
	CONSTRAINT "ingest_runs_outputsize" CHECK ("ingest_runs"."outputsize" IN ('auto', 'compact', 'full')),
	CONSTRAINT "ingest_runs_priority" CHECK ("ingest_runs"."priority" IN ('high', 'normal', 'low'))
);
--> statement-breakpoint
CREATE TABLE "rejected_rows" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "rejected_rows_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"item_id" bigint NOT NULL,
	"run_id" uuid NOT NULL,
	"symbol" text COLLATE "C" NOT NULL,
	"date" date,
	"raw" jsonb NOT NULL,
	"reasons" text[] NOT NULL,
	"rejected_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "symbols" (
	"symbol" text COLLATE "C" PRIMARY KEY NOT NULL,
	"row_count" integer DEFAULT 0 NOT NULL,
	"first_date" date,
	"last_date" date,
	"last_fetched_at" timestamp with time zone
);
--> statement-breakpoint
ALTER TABLE "ingest_failures" ADD CONSTRAINT "ingest_failures_item_id_ingest_items_id_fk" FOREIGN KEY ("item_id") REFERENCES "public"."ingest_items"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ingest_items" ADD CONSTRAINT "ingest_items_run_id_ingest_runs_id_fk" FOREIGN KEY ("run_id") REFERENCES "public"."ingest_runs"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "rejected_rows" ADD CONSTRAINT "rejected_rows_item_id_ingest_items_id_fk" FOREIGN KEY ("item_id") REFERENCES "public"."ingest_items"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "ingest_failures_run" ON "ingest_failures" USING btree ("run_id","id");--> statement-breakpoint
CREATE INDEX "ingest_failures_item" ON "ingest_failures" USING btree ("item_id","id");--> statement-breakpoint
CREATE INDEX "ingest_failures_symbol" ON "ingest_failures" USING btree ("symbol","id");--> statement-breakpoint
CREATE INDEX "ingest_items_run" ON "ingest_items" USING btree ("run_id","state");--> statement-breakpoint
CREATE INDEX "ingest_items_symbol" ON "ingest_items" USING btree ("symbol");--> statement-breakpoint
CREATE INDEX "ingest_items_undispatched" ON "ingest_items" USING btree ("id") WHERE "ingest_items"."state" = 'pending' AND "ingest_items"."dispatched_at" IS NULL;--> statement-breakpoint
CREATE INDEX "ingest_items_withdrawable" ON "ingest_items" USING btree ("id") WHERE "ingest_items"."state" = 'cancelled' AND "ingest_items"."dispatched_at" IS NOT NULL;--> statement-breakpoint
CREATE INDEX "rejected_rows_run" ON "rejected_rows" USING btree ("run_id","id");--> statement-breakpoint
CREATE INDEX "rejected_rows_symbol" ON "rejected_rows" USING btree ("symbol","id");