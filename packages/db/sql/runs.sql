-- Totals of a run's items, kept by triggers whichever program writes the items (see src/runs/run-totals-schema.ts), and
-- whether an item needs a request (see src/runs/needless.ts).

-- Adds to the totals once a statement, a change for each run and each class of failures. A row that another transaction holds
-- is passed over, and a new row added where all are held: transactions that finish items of one run never wait for each
-- other, and none can wait in a circle. So a run has no more rows a class than there were such transactions at once.
CREATE FUNCTION count_ingest_items() RETURNS trigger LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  earlier ingest_items[];
  later ingest_items[];
  change record;
BEGIN
  IF TG_OP <> 'INSERT' THEN SELECT array_agg(item::ingest_items) INTO earlier FROM old_rows AS item; END IF;
  IF TG_OP <> 'DELETE' THEN SELECT array_agg(item::ingest_items) INTO later FROM new_rows AS item; END IF;
  FOR change IN
    SELECT run_id, failure_class,
           coalesce(sum(sign) FILTER (WHERE state = 'pending'), 0) AS pending,
           coalesce(sum(sign) FILTER (WHERE state = 'running'), 0) AS running,
           coalesce(sum(sign) FILTER (WHERE state = 'succeeded'), 0) AS succeeded,
           coalesce(sum(sign) FILTER (WHERE state = 'failed'), 0) AS failed,
           coalesce(sum(sign) FILTER (WHERE state = 'cancelled'), 0) AS cancelled,
           coalesce(sum(sign) FILTER (WHERE claim > 0), 0) AS begun,
           coalesce(sum(sign) FILTER (WHERE 'newest_row_rejected' = ANY (warning_codes)), 0) AS newest_row_rejected,
           coalesce(sum(sign) FILTER (WHERE 'nothing_stored' = ANY (warning_codes)), 0) AS nothing_stored,
           coalesce(sum(sign) FILTER (WHERE 'restated' = ANY (warning_codes)), 0) AS restated,
           coalesce(sum(sign) FILTER (WHERE 'rejected_rows_not_kept' = ANY (warning_codes)), 0) AS rejected_rows_not_kept,
           sum(sign * rows_fetched) AS rows_fetched, sum(sign * rows_inserted) AS rows_inserted,
           sum(sign * rows_updated) AS rows_updated, sum(sign * rows_unchanged) AS rows_unchanged,
           sum(sign * rows_rejected) AS rows_rejected, sum(sign * rows_provisional) AS rows_provisional
      FROM (
        SELECT item.*, CASE WHEN state = 'failed' THEN coalesce((
                 SELECT class FROM ingest_failures AS failure WHERE failure.item_id = item.id ORDER BY failure.id DESC LIMIT 1), '')
               ELSE '' END AS failure_class
          FROM (SELECT -1 AS sign, one.* FROM unnest(earlier) AS one UNION ALL SELECT 1, one.* FROM unnest(later) AS one) AS item
      ) AS item
     GROUP BY run_id, failure_class
  LOOP
    CONTINUE WHEN 0 = ALL (ARRAY[
      change.pending, change.running, change.succeeded, change.failed, change.cancelled, change.begun,
      change.newest_row_rejected, change.nothing_stored, change.restated, change.rejected_rows_not_kept,
      change.rows_fetched, change.rows_inserted, change.rows_updated, change.rows_unchanged, change.rows_rejected,
      change.rows_provisional]);
    UPDATE run_totals AS kept SET
           pending = pending + change.pending, running = running + change.running, succeeded = succeeded + change.succeeded,
           failed = failed + change.failed, cancelled = cancelled + change.cancelled, begun = begun + change.begun,
           newest_row_rejected = newest_row_rejected + change.newest_row_rejected,
           nothing_stored = nothing_stored + change.nothing_stored, restated = restated + change.restated,
           rejected_rows_not_kept = rejected_rows_not_kept + change.rejected_rows_not_kept,
           rows_fetched = rows_fetched + change.rows_fetched, rows_inserted = rows_inserted + change.rows_inserted,
           rows_updated = rows_updated + change.rows_updated, rows_unchanged = rows_unchanged + change.rows_unchanged,
           rows_rejected = rows_rejected + change.rows_rejected,
           rows_provisional = rows_provisional + change.rows_provisional
     WHERE id = (
       SELECT free.id FROM run_totals AS free WHERE free.run_id = change.run_id AND free.failure_class = change.failure_class
        ORDER BY free.id LIMIT 1 FOR UPDATE SKIP LOCKED);
    CONTINUE WHEN FOUND;
    INSERT INTO run_totals (
        run_id, failure_class, pending, running, succeeded, failed, cancelled, begun, newest_row_rejected, nothing_stored,
        restated, rejected_rows_not_kept, rows_fetched, rows_inserted, rows_updated, rows_unchanged, rows_rejected,
        rows_provisional)
    VALUES (
        change.run_id, change.failure_class, change.pending, change.running, change.succeeded, change.failed,
        change.cancelled, change.begun, change.newest_row_rejected, change.nothing_stored, change.restated,
        change.rejected_rows_not_kept, change.rows_fetched, change.rows_inserted, change.rows_updated,
        change.rows_unchanged, change.rows_rejected, change.rows_provisional);
  END LOOP;
  RETURN NULL;
END $$;

CREATE FUNCTION count_ingest_items_truncated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM run_totals;
  RETURN NULL;
END $$;

CREATE TRIGGER ingest_items_inserted AFTER INSERT ON ingest_items REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION count_ingest_items();
CREATE TRIGGER ingest_items_updated AFTER UPDATE ON ingest_items REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION count_ingest_items();
CREATE TRIGGER ingest_items_deleted AFTER DELETE ON ingest_items REFERENCING OLD TABLE AS old_rows
  FOR EACH STATEMENT EXECUTE FUNCTION count_ingest_items();
CREATE TRIGGER ingest_items_truncated AFTER TRUNCATE ON ingest_items
  FOR EACH STATEMENT EXECUTE FUNCTION count_ingest_items_truncated();

-- last_session_close and needless are single expressions, which PostgreSQL writes into the statement that uses them: a
-- function with a FROM would be started anew for every row.

-- The close of the last weekday session that is over: 16:00 in the provider's time zone, which it names for every exchange.
-- Holidays count as sessions here: a caller that knows better than the provider asks with force.
CREATE FUNCTION last_session_close(at timestamptz) RETURNS timestamptz LANGUAGE sql STABLE AS $$
  SELECT ((at AT TIME ZONE 'America/New_York' - interval '16 hours')::date
          - greatest(0, extract(isodow FROM (at AT TIME ZONE 'America/New_York' - interval '16 hours')::date)::int - 5)
          + time '16:00') AT TIME ZONE 'America/New_York'
$$;

-- Why an item needs no request; null when it does. `fetched_at`: when the newest request was sent that brought at least
-- what the item asks for. `last_date`: the newest stored row. A bar can be published some hours after the close, so a fetch
-- after the close proves nothing until it brought that day's bar or those hours had passed (a holiday brings none).
CREATE FUNCTION needless(accepted_at timestamptz, fetched_at timestamptz, last_date date, at timestamptz)
RETURNS text LANGUAGE sql STABLE AS $$
  SELECT CASE
    WHEN fetched_at IS NULL THEN NULL
    WHEN fetched_at > accepted_at THEN 'coalesced'
    WHEN fetched_at >= last_session_close(at)
     AND (last_date >= (last_session_close(at) AT TIME ZONE 'America/New_York')::date
          OR fetched_at >= last_session_close(at) + interval '6 hours')
      THEN 'up_to_date'
  END
$$;
