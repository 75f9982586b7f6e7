CREATE TABLE "asked_symbols" (
	"symbol" text COLLATE "C" PRIMARY KEY NOT NULL
);
--> statement-breakpoint
CREATE INDEX "ingest_failures_newest" ON "ingest_failures" USING btree ("failed_at","id");--> statement-breakpoint
CREATE INDEX "ingest_failures_class" ON "ingest_failures" USING btree ("class","failed_at","id","symbol","final");--> statement-breakpoint
CREATE INDEX "ingest_runs_requested" ON "ingest_runs" USING btree ("requested_at","id");--> statement-breakpoint
CREATE INDEX "price_revisions_symbol" ON "price_revisions" USING btree ("symbol","id");--> statement-breakpoint
CREATE INDEX "rejected_rows_newest" ON "rejected_rows" USING btree ("last_rejected_at","id");--> statement-breakpoint
CREATE INDEX "rejected_rows_newest_resolved" ON "rejected_rows" USING btree ("last_rejected_at","id") WHERE "rejected_rows"."resolved_at" IS NOT NULL;--> statement-breakpoint
CREATE INDEX "rejected_rows_newest_unresolved" ON "rejected_rows" USING btree ("last_rejected_at","id") WHERE "rejected_rows"."resolved_at" IS NULL;--> statement-breakpoint
CREATE INDEX "rejected_rows_symbol" ON "rejected_rows" USING btree ("symbol","last_rejected_at","id");