CREATE TABLE "symbol_initials" (
	"initial" text COLLATE "C" PRIMARY KEY NOT NULL,
	"symbol_count" integer NOT NULL,
	"row_count" bigint NOT NULL,
	"version" bigint DEFAULT (random() * 1e12)::bigint NOT NULL
);
--> statement-breakpoint
INSERT INTO "symbol_initials" ("initial", "symbol_count", "row_count")
SELECT left("prefix", 1), sum("symbol_count"), sum("row_count") FROM "symbol_prefixes" GROUP BY 1;--> statement-breakpoint
CREATE FUNCTION "count_symbol_prefix"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO symbol_initials AS known (initial, symbol_count, row_count)
  VALUES (left(coalesce(NEW.prefix, OLD.prefix), 1), coalesce(NEW.symbol_count, 0) - coalesce(OLD.symbol_count, 0),
          coalesce(NEW.row_count, 0) - coalesce(OLD.row_count, 0))
  ON CONFLICT (initial) DO UPDATE SET symbol_count = known.symbol_count + excluded.symbol_count,
    row_count = known.row_count + excluded.row_count, version = known.version + (1 + random() * 1e6)::bigint;
  RETURN NULL;
END $$;--> statement-breakpoint
CREATE FUNCTION "count_symbol_prefixes_truncated"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE symbol_initials SET symbol_count = 0, row_count = 0, version = version + (1 + random() * 1e6)::bigint;
  RETURN NULL;
END $$;--> statement-breakpoint
CREATE TRIGGER "symbol_prefixes_changed" AFTER INSERT OR UPDATE OR DELETE ON "symbol_prefixes"
  FOR EACH ROW EXECUTE FUNCTION "count_symbol_prefix"();--> statement-breakpoint
CREATE TRIGGER "symbol_prefixes_truncated" AFTER TRUNCATE ON "symbol_prefixes"
  FOR EACH STATEMENT EXECUTE FUNCTION "count_symbol_prefixes_truncated"();--> statement-breakpoint
-- As its neighbours: rewritten all day.
ALTER TABLE "symbol_initials" SET (fillfactor = 50);
