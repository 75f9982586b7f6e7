CREATE TABLE "symbol_prefixes" (
	"prefix" text COLLATE "C" PRIMARY KEY NOT NULL,
	"symbol_count" integer NOT NULL,
	"row_count" bigint NOT NULL,
	"version" bigint DEFAULT (random() * 1e12)::bigint NOT NULL
);
--> statement-breakpoint
ALTER TABLE "symbols" ADD COLUMN "version" bigint DEFAULT (random() * 1e12)::bigint NOT NULL;--> statement-breakpoint
INSERT INTO "symbol_prefixes" ("prefix", "symbol_count", "row_count")
SELECT left("symbol", 2), count(*) FILTER (WHERE "row_count" > 0), sum("row_count") FROM "symbols" GROUP BY 1;--> statement-breakpoint
-- The totals are kept by the table itself, so that they are right whoever writes it, once a statement.
CREATE FUNCTION "count_financial_data"() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  changed text[];
  counts bigint[];
BEGIN
  IF TG_OP = 'INSERT' THEN
    SELECT array_agg(symbol), array_agg(rows) INTO changed, counts
      FROM (SELECT symbol, count(*) AS rows FROM new_rows GROUP BY symbol) AS change;
  ELSIF TG_OP = 'DELETE' THEN
    SELECT array_agg(symbol), array_agg(rows) INTO changed, counts
      FROM (SELECT symbol, -count(*) AS rows FROM old_rows GROUP BY symbol) AS change;
  ELSE
    SELECT array_agg(symbol), array_agg(rows) INTO changed, counts
      FROM (SELECT symbol, sum(rows) AS rows
              FROM (SELECT symbol, 1 AS rows FROM new_rows UNION ALL SELECT symbol, -1 FROM old_rows) AS moved
             GROUP BY symbol) AS change;
  END IF;
  IF changed IS NULL THEN RETURN NULL; END IF;
  WITH counted AS (
    INSERT INTO symbols AS known (symbol, row_count, first_date, last_date)
    SELECT symbol, rows, (SELECT min(date) FROM financial_data AS stored WHERE stored.symbol = change.symbol),
           (SELECT max(date) FROM financial_data AS stored WHERE stored.symbol = change.symbol)
      FROM unnest(changed, counts) AS change (symbol, rows) ORDER BY symbol COLLATE "C"
    ON CONFLICT (symbol) DO UPDATE SET row_count = known.row_count + excluded.row_count,
      -- Another's rows that this statement could not see yet may be counted already.
      first_date = CASE TG_OP WHEN 'INSERT' THEN least(known.first_date, excluded.first_date) ELSE excluded.first_date END,
      last_date = CASE TG_OP WHEN 'INSERT' THEN greatest(known.last_date, excluded.last_date) ELSE excluded.last_date END,
      version = known.version + (1 + random() * 1e6)::bigint
    RETURNING WITH (OLD AS before, NEW AS after) left(after.symbol, 2) AS prefix,
      (after.row_count > 0)::int - (coalesce(before.row_count, 0) > 0)::int AS symbols,
      after.row_count - coalesce(before.row_count, 0) AS rows
  )
  INSERT INTO symbol_prefixes AS known (prefix, symbol_count, row_count)
  SELECT prefix, sum(symbols), sum(rows) FROM counted GROUP BY prefix ORDER BY prefix
  ON CONFLICT (prefix) DO UPDATE SET symbol_count = known.symbol_count + excluded.symbol_count,
    row_count = known.row_count + excluded.row_count, version = known.version + (1 + random() * 1e6)::bigint;
  RETURN NULL;
END $$;--> statement-breakpoint
CREATE FUNCTION "count_financial_data_truncated"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE symbols SET row_count = 0, first_date = NULL, last_date = NULL, version = version + (1 + random() * 1e6)::bigint;
  UPDATE symbol_prefixes SET symbol_count = 0, row_count = 0, version = version + (1 + random() * 1e6)::bigint;
  RETURN NULL;
END $$;--> statement-breakpoint
CREATE TRIGGER "financial_data_inserted" AFTER INSERT ON "financial_data" REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION "count_financial_data"();--> statement-breakpoint
CREATE TRIGGER "financial_data_updated" AFTER UPDATE ON "financial_data" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION "count_financial_data"();--> statement-breakpoint
CREATE TRIGGER "financial_data_deleted" AFTER DELETE ON "financial_data" REFERENCING OLD TABLE AS old_rows
  FOR EACH STATEMENT EXECUTE FUNCTION "count_financial_data"();--> statement-breakpoint
CREATE TRIGGER "financial_data_truncated" AFTER TRUNCATE ON "financial_data"
  FOR EACH STATEMENT EXECUTE FUNCTION "count_financial_data_truncated"();--> statement-breakpoint
-- Counters are rewritten all day: with room on their page, no index has to know.
ALTER TABLE "symbols" SET (fillfactor = 50);--> statement-breakpoint
ALTER TABLE "symbol_prefixes" SET (fillfactor = 50);--> statement-breakpoint
-- By default a table of 25 million rows is vacuumed after 5 million new ones. Index-only scans read the heap for what came
-- since, which is what is read most. A vacuum of new rows alone looks at their pages and at no index.
ALTER TABLE "financial_data" SET (autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 10000,
  autovacuum_vacuum_scale_factor = 0.01, autovacuum_analyze_scale_factor = 0.02);
