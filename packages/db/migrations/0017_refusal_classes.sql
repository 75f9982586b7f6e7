CREATE TABLE "refusal_classes" (
	"class" text PRIMARY KEY NOT NULL,
	"scope" text NOT NULL,
	"limit_name" text
);
--> statement-breakpoint
-- What the classes mean that are stored so far: before a worker of this version publishes its provider's table, a refused key
-- or a spent day of this database must already be recognised.
INSERT INTO "refusal_classes" ("class", "scope", "limit_name") VALUES
  ('invalid_key', 'key', NULL),
  ('demo_key', 'key', NULL),
  ('entitlement', 'access', NULL),
  ('burst_limit', 'everything', 'second'),
  ('minute_limit', 'everything', 'minute'),
  ('daily_limit', 'everything', 'day'),
  ('throttled', 'everything', NULL);
