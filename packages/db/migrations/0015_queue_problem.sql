ALTER TABLE "workers" ADD COLUMN "queue_problem_class" text;--> statement-breakpoint
ALTER TABLE "workers" ADD COLUMN "queue_problem" text;--> statement-breakpoint
ALTER TABLE "workers" ADD COLUMN "queue_problem_since" timestamp with time zone;