CREATE TABLE "provider_keys" (
	"key_fingerprint" text PRIMARY KEY NOT NULL,
	"blocked_until" timestamp with time zone,
	"blocked_class" text,
	"blocked_detail" text,
	"said_per_day" integer,
	"said_at" timestamp with time zone,
	"said_detail" text
);
--> statement-breakpoint
-- What was said until now was said to the key that was used last, as far as anybody knows.
INSERT INTO "provider_keys" ("key_fingerprint", "blocked_until", "blocked_class", "blocked_detail", "said_per_day", "said_at", "said_detail")
SELECT "key_fingerprint", "blocked_until", "blocked_class", "blocked_detail", "said_per_day", "said_at", "said_detail"
  FROM "provider_state"
 WHERE "key_fingerprint" IS NOT NULL AND coalesce("blocked_until", "said_at") IS NOT NULL;
--> statement-breakpoint
ALTER TABLE "provider_state" DROP COLUMN "blocked_until";--> statement-breakpoint
ALTER TABLE "provider_state" DROP COLUMN "blocked_class";--> statement-breakpoint
ALTER TABLE "provider_state" DROP COLUMN "blocked_detail";--> statement-breakpoint
ALTER TABLE "provider_state" DROP COLUMN "said_per_day";--> statement-breakpoint
ALTER TABLE "provider_state" DROP COLUMN "said_at";--> statement-breakpoint
ALTER TABLE "provider_state" DROP COLUMN "said_detail";--> statement-breakpoint
ALTER TABLE "provider_state" ADD COLUMN "clock_jump_after_ms" double precision;