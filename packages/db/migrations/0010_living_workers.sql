ALTER TABLE "provider_state" ADD COLUMN "worker_stopped_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "workers" ADD COLUMN "waiting_since" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "provider_state" DROP COLUMN "key_missing_at";