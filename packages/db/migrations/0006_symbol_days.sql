CREATE TABLE "symbol_days" (
	"symbol" text COLLATE "C" PRIMARY KEY NOT NULL,
	"first_day" date NOT NULL,
	"days" bit varying NOT NULL
);
--> statement-breakpoint
-- As symbols: rewritten with each new day.
ALTER TABLE "symbol_days" SET (fillfactor = 80);--> statement-breakpoint

-- A bit for each day from the first of these to their last, in any order. In half the time of a statement that puts the bits
-- together from the gaps between sorted days.
CREATE FUNCTION "bits_of_days"(days date[]) RETURNS varbit LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  first_day date;
  bits varbit;
  day date;
BEGIN
  SELECT min(given), repeat('0', max(given) - min(given) + 1)::varbit INTO first_day, bits FROM unnest(days) AS given;
  FOREACH day IN ARRAY days LOOP
    bits := set_bit(bits, day - first_day, 1);
  END LOOP;
  RETURN bits;
END $$;--> statement-breakpoint

-- The next two are single expressions, which PostgreSQL writes into the statement that uses them.
-- How many days lie between two, inclusive; these may be infinite.
CREATE FUNCTION "days_between"(first_day date, days varbit, lower date, upper date) RETURNS bigint LANGUAGE sql IMMUTABLE
RETURN bit_count(substring(days FROM greatest(lower, first_day) - first_day + 1
  FOR greatest(least(upper, first_day + length(days) - 1) - greatest(lower, first_day) + 1, 0)));--> statement-breakpoint

-- All days of two, from the earlier first one on.
CREATE FUNCTION "union_of_days"(one_first date, one varbit, other_first date, other varbit) RETURNS varbit LANGUAGE sql IMMUTABLE
RETURN (repeat('0', one_first - least(one_first, other_first))::varbit || one
        || repeat('0', greatest(other_first + length(other) - one_first - length(one), 0))::varbit)
     | (repeat('0', other_first - least(one_first, other_first))::varbit || other
        || repeat('0', greatest(one_first + length(one) - other_first - length(other), 0))::varbit);--> statement-breakpoint

LOCK TABLE "financial_data" IN SHARE ROW EXCLUSIVE MODE;--> statement-breakpoint
INSERT INTO "symbol_days" ("symbol", "first_day", "days")
SELECT "symbol", min("date"), bits_of_days(array_agg("date")) FROM "financial_data" GROUP BY "symbol";--> statement-breakpoint

-- As in 0004_data_api, and the days with the rest, after the symbol's row, which is thereby locked.
CREATE OR REPLACE FUNCTION "count_financial_data"() RETURNS trigger LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
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
  INSERT INTO symbols AS known (symbol, row_count, first_date, last_date)
  SELECT symbol, rows, (SELECT min(date) FROM financial_data AS stored WHERE stored.symbol = change.symbol),
         (SELECT max(date) FROM financial_data AS stored WHERE stored.symbol = change.symbol)
    FROM unnest(changed, counts) AS change (symbol, rows) ORDER BY symbol COLLATE "C"
  ON CONFLICT (symbol) DO UPDATE SET row_count = known.row_count + excluded.row_count,
    -- Another's rows that this statement could not see yet may be counted already.
    first_date = least(known.first_date, excluded.first_date), last_date = greatest(known.last_date, excluded.last_date),
    version = known.version + (1 + random() * 1e6)::bigint;

  IF TG_OP = 'INSERT' THEN
    INSERT INTO symbol_days AS known (symbol, first_day, days)
    SELECT symbol, min(date), bits_of_days(array_agg(date)) FROM new_rows GROUP BY symbol
    ON CONFLICT (symbol) DO UPDATE SET first_day = least(known.first_day, excluded.first_day),
      days = union_of_days(known.first_day, known.days, excluded.first_day, excluded.days);
    RETURN NULL;
  END IF;
  -- Rows that go, or move to another day, are rare: then the days are read anew, by statements that see what was committed
  -- before the symbol's row was theirs.
  IF TG_OP = 'UPDATE' THEN
    SELECT array_agg(DISTINCT symbol) INTO changed
      FROM ((SELECT symbol, date FROM new_rows EXCEPT SELECT symbol, date FROM old_rows)
            UNION ALL (SELECT symbol, date FROM old_rows EXCEPT SELECT symbol, date FROM new_rows)) AS moved;
  END IF;
  IF changed IS NULL THEN RETURN NULL; END IF;
  UPDATE symbols AS known SET first_date = (SELECT min(date) FROM financial_data AS stored WHERE stored.symbol = known.symbol),
         last_date = (SELECT max(date) FROM financial_data AS stored WHERE stored.symbol = known.symbol)
   WHERE symbol = ANY (changed);
  DELETE FROM symbol_days WHERE symbol = ANY (changed);
  INSERT INTO symbol_days (symbol, first_day, days)
  SELECT symbol, min(date), bits_of_days(array_agg(date)) FROM financial_data WHERE symbol = ANY (changed) GROUP BY symbol;
  RETURN NULL;
END $$;--> statement-breakpoint
CREATE OR REPLACE FUNCTION "count_financial_data_truncated"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE symbols SET row_count = 0, first_date = NULL, last_date = NULL, version = version + (1 + random() * 1e6)::bigint;
  DELETE FROM symbol_days;
  RETURN NULL;
END $$;
