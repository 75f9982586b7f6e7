ALTER TABLE "ingest_items" ADD COLUMN "alone" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "ingest_items" ADD COLUMN "lone_losses" integer DEFAULT 0 NOT NULL;