-- sluice: backfill holder.id batch 1000 pause 5ms
UPDATE holder SET display_name = initcap(name) WHERE display_name IS NULL AND id BETWEEN :from AND :to;
