DROP TRIGGER IF EXISTS "symbol_prefixes_changed" ON "symbol_prefixes";--> statement-breakpoint
DROP TRIGGER IF EXISTS "symbol_prefixes_truncated" ON "symbol_prefixes";--> statement-breakpoint
-- A database of a build before the functions had a file of their own does not note their names, by which later ones drop them.
DROP FUNCTION IF EXISTS "count_symbol_prefix"(), "count_symbol_prefixes_truncated"();--> statement-breakpoint
DROP TABLE "symbol_initials";
