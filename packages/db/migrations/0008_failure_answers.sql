ALTER TABLE "ingest_failures" ADD COLUMN "answers" text;--> statement-breakpoint
CREATE INDEX "ingest_failures_answering" ON "ingest_failures" USING btree ("symbol","failed_at") WHERE "ingest_failures"."answers" IS NOT NULL;--> statement-breakpoint
ALTER TABLE "ingest_failures" ADD CONSTRAINT "ingest_failures_answers" CHECK ("ingest_failures"."answers" IN ('symbol', 'compact', 'full'));