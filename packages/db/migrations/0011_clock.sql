ALTER TABLE "provider_state" ADD COLUMN "clock_offset_ms" double precision DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "provider_state" ADD COLUMN "clock_jumps" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "provider_state" ADD COLUMN "clock_jumped_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "provider_state" ADD COLUMN "clock_jump_ms" double precision;