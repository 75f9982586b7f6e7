-- Totals and days of symbols, kept by triggers whichever program writes the prices: by them answers are counted, and pages
-- found (see src/prices/page-of-rows.ts).

-- A bit for each day from the first of these days to the last; the days may come in any order. Half the time of a statement
-- that puts the bits together from the gaps between sorted days.
CREATE FUNCTION bits_of_days(days date[]) RETURNS varbit LANGUAGE plpgsql IMMUTABLE AS $$
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
END $$;

-- days_between and union_of_days are single expressions, which PostgreSQL writes into the statement that uses them.

-- How many of the days lie between two dates, inclusive; the dates may be infinite.
CREATE FUNCTION days_between(first_day date, days varbit, lower date, upper date) RETURNS bigint LANGUAGE sql IMMUTABLE
RETURN bit_count(substring(days FROM greatest(lower, first_day) - first_day + 1
  FOR greatest(least(upper, first_day + length(days) - 1) - greatest(lower, first_day) + 1, 0)));

-- The days of both, from the earlier first day on.
CREATE FUNCTION union_of_days(one_first date, one varbit, other_first date, other varbit) RETURNS varbit LANGUAGE sql IMMUTABLE
RETURN (repeat('0', one_first - least(one_first, other_first))::varbit || one
        || repeat('0', greatest(other_first + length(other) - one_first - length(one), 0))::varbit)
     | (repeat('0', other_first - least(one_first, other_first))::varbit || other
        || repeat('0', greatest(one_first + length(one) - other_first - length(other), 0))::varbit);

-- Keeps totals and days of the symbols that a statement changed, once a statement. The symbol's row is written first, which
-- locks it. The generic plan is the right one for any number of rows. Left to choose, PostgreSQL takes it for dearer than
-- planning anew for one row, and plans at each, which doubled what a daily append costs here.
CREATE FUNCTION count_financial_data() RETURNS trigger LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
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
    -- Rows of another transaction that this statement could not see yet may be counted already.
    first_date = least(known.first_date, excluded.first_date), last_date = greatest(known.last_date, excluded.last_date),
    version = known.version + (1 + random() * 1e6)::bigint;

  IF TG_OP = 'INSERT' THEN
    INSERT INTO symbol_days AS known (symbol, first_day, days)
    SELECT symbol, min(date), bits_of_days(array_agg(date)) FROM new_rows GROUP BY symbol
    ON CONFLICT (symbol) DO UPDATE SET first_day = least(known.first_day, excluded.first_day),
      days = union_of_days(known.first_day, known.days, excluded.first_day, excluded.days);
    RETURN NULL;
  END IF;
  -- Rows that are deleted, or move to another day, are rare: the days are then read anew, by statements that see what was
  -- committed before the symbol's row was locked.
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
END $$;

CREATE FUNCTION count_financial_data_truncated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE symbols SET row_count = 0, first_date = NULL, last_date = NULL, version = version + (1 + random() * 1e6)::bigint;
  DELETE FROM symbol_days;
  RETURN NULL;
END $$;

-- Many symbols share a prefix. Its row is locked at the commit alone (the triggers are deferred), so that no client holds
-- it while the client computes or is frozen.
CREATE FUNCTION count_symbol() RETURNS trigger LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
BEGIN
  INSERT INTO symbol_prefixes AS known (prefix, symbol_count, row_count)
  VALUES (left(coalesce(NEW.symbol, OLD.symbol), 2),
          (coalesce(NEW.row_count, 0) > 0)::int - (coalesce(OLD.row_count, 0) > 0)::int,
          coalesce(NEW.row_count, 0) - coalesce(OLD.row_count, 0))
  ON CONFLICT (prefix) DO UPDATE SET symbol_count = known.symbol_count + excluded.symbol_count,
    row_count = known.row_count + excluded.row_count, version = known.version + (1 + random() * 1e6)::bigint;
  RETURN NULL;
END $$;

CREATE FUNCTION count_symbols_truncated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE symbol_prefixes SET symbol_count = 0, row_count = 0, version = version + (1 + random() * 1e6)::bigint;
  RETURN NULL;
END $$;

-- A worker of an earlier version counts a symbol's rows by itself, until it is stopped: its count is not taken.
CREATE FUNCTION keep_row_count() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.row_count := OLD.row_count;
  RETURN NEW;
END $$;

CREATE CONSTRAINT TRIGGER symbols_added AFTER INSERT OR DELETE ON symbols DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION count_symbol();
CREATE CONSTRAINT TRIGGER symbols_changed AFTER UPDATE ON symbols DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW WHEN (OLD.version <> NEW.version) EXECUTE FUNCTION count_symbol();
CREATE TRIGGER symbols_truncated AFTER TRUNCATE ON symbols
  FOR EACH STATEMENT EXECUTE FUNCTION count_symbols_truncated();
CREATE TRIGGER symbols_counted BEFORE UPDATE OF row_count ON symbols
  FOR EACH ROW WHEN (pg_trigger_depth() = 0 AND OLD.row_count <> NEW.row_count) EXECUTE FUNCTION keep_row_count();
CREATE TRIGGER financial_data_inserted AFTER INSERT ON financial_data REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION count_financial_data();
CREATE TRIGGER financial_data_updated AFTER UPDATE ON financial_data REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION count_financial_data();
CREATE TRIGGER financial_data_deleted AFTER DELETE ON financial_data REFERENCING OLD TABLE AS old_rows
  FOR EACH STATEMENT EXECUTE FUNCTION count_financial_data();
CREATE TRIGGER financial_data_truncated AFTER TRUNCATE ON financial_data
  FOR EACH STATEMENT EXECUTE FUNCTION count_financial_data_truncated();
