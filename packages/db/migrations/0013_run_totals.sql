CREATE TABLE "run_totals" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "run_totals_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"run_id" uuid NOT NULL,
	"failure_class" text NOT NULL,
	"pending" integer NOT NULL,
	"running" integer NOT NULL,
	"succeeded" integer NOT NULL,
	"failed" integer NOT NULL,
	"cancelled" integer NOT NULL,
	"begun" integer NOT NULL,
	"newest_row_rejected" integer NOT NULL,
	"nothing_stored" integer NOT NULL,
	"restated" integer NOT NULL,
	"rejected_rows_not_kept" integer NOT NULL,
	"rows_fetched" bigint NOT NULL,
	"rows_inserted" bigint NOT NULL,
	"rows_updated" bigint NOT NULL,
	"rows_unchanged" bigint NOT NULL,
	"rows_rejected" bigint NOT NULL,
	"rows_provisional" bigint NOT NULL
);
--> statement-breakpoint
DROP INDEX "ingest_failures_run";--> statement-breakpoint
DROP INDEX "ingest_failures_symbol";--> statement-breakpoint
DROP INDEX "ingest_items_run";--> statement-breakpoint
DROP INDEX "ingest_items_symbol";--> statement-breakpoint
DROP INDEX "item_rejected_rows_row";--> statement-breakpoint
ALTER TABLE "ingest_items" ADD COLUMN "warning_codes" text[] GENERATED ALWAYS AS (array_remove(ARRAY[CASE WHEN newest_rejected THEN 'newest_row_rejected' END, CASE WHEN outcome IS NOT NULL AND rows_fetched > 0 AND rows_inserted + rows_updated + rows_unchanged = 0 THEN 'nothing_stored' END, CASE WHEN rows_updated >= 5 AND rows_updated * 10 >= rows_updated + rows_unchanged THEN 'restated' END, CASE WHEN rows_dropped > 0 THEN 'rejected_rows_not_kept' END], NULL)) STORED NOT NULL;--> statement-breakpoint
CREATE INDEX "run_totals_run" ON "run_totals" USING btree ("run_id","failure_class");--> statement-breakpoint
CREATE INDEX "ingest_failures_class_run" ON "ingest_failures" USING btree ("class","run_id","failed_at","id");--> statement-breakpoint
CREATE INDEX "ingest_items_run_order" ON "ingest_items" USING btree ("run_id","id");--> statement-breakpoint
CREATE INDEX "ingest_items_newest_row_rejected" ON "ingest_items" USING btree ("run_id","id") WHERE 'newest_row_rejected' = ANY (warning_codes);--> statement-breakpoint
CREATE INDEX "ingest_items_nothing_stored" ON "ingest_items" USING btree ("run_id","id") WHERE 'nothing_stored' = ANY (warning_codes);--> statement-breakpoint
CREATE INDEX "ingest_items_restated" ON "ingest_items" USING btree ("run_id","id") WHERE 'restated' = ANY (warning_codes);--> statement-breakpoint
CREATE INDEX "ingest_items_rejected_rows_not_kept" ON "ingest_items" USING btree ("run_id","id") WHERE 'rejected_rows_not_kept' = ANY (warning_codes);--> statement-breakpoint
CREATE INDEX "ingest_items_waiting_quota" ON "ingest_items" USING btree ("run_id","next_attempt_at") WHERE "ingest_items"."state" = 'pending' AND "ingest_items"."waiting_for" = 'quota';--> statement-breakpoint
CREATE INDEX "ingest_failures_run" ON "ingest_failures" USING btree ("run_id","failed_at","id");--> statement-breakpoint
CREATE INDEX "ingest_failures_symbol" ON "ingest_failures" USING btree ("symbol","failed_at","id");--> statement-breakpoint
CREATE INDEX "ingest_items_run" ON "ingest_items" USING btree ("run_id","state","finished_at");--> statement-breakpoint
CREATE INDEX "ingest_items_symbol" ON "ingest_items" USING btree ("symbol","run_id");--> statement-breakpoint
CREATE INDEX "item_rejected_rows_row" ON "item_rejected_rows" USING btree ("rejected_row_id","item_id");--> statement-breakpoint
INSERT INTO "run_totals" (run_id, failure_class,
  pending, running, succeeded, failed, cancelled, begun, newest_row_rejected, nothing_stored, restated,
  rejected_rows_not_kept, rows_fetched, rows_inserted, rows_updated, rows_unchanged, rows_rejected, rows_provisional)
SELECT run_id, CASE WHEN state = 'failed' THEN coalesce((
         SELECT class FROM ingest_failures AS failure WHERE failure.item_id = item.id ORDER BY failure.id DESC LIMIT 1), '')
       ELSE '' END,
       count(*) FILTER (WHERE state = 'pending'), count(*) FILTER (WHERE state = 'running'),
       count(*) FILTER (WHERE state = 'succeeded'), count(*) FILTER (WHERE state = 'failed'),
       count(*) FILTER (WHERE state = 'cancelled'), count(*) FILTER (WHERE claim > 0),
       count(*) FILTER (WHERE 'newest_row_rejected' = ANY (warning_codes)),
       count(*) FILTER (WHERE 'nothing_stored' = ANY (warning_codes)),
       count(*) FILTER (WHERE 'restated' = ANY (warning_codes)),
       count(*) FILTER (WHERE 'rejected_rows_not_kept' = ANY (warning_codes)), sum(rows_fetched), sum(rows_inserted),
       sum(rows_updated), sum(rows_unchanged), sum(rows_rejected), sum(rows_provisional)
  FROM ingest_items AS item GROUP BY 1, 2;
