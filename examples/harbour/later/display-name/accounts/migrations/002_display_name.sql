ALTER TABLE holder ADD COLUMN display_name text;
