-- What the statements of corpus.json are run on: a shop in use.
CREATE TYPE order_state AS ENUM ('new', 'paid', 'shipped');
CREATE TYPE address AS (street text, city text);
CREATE DOMAIN positive_int AS integer CONSTRAINT positive_int_check CHECK (VALUE > 0);
CREATE DOMAIN plain_text AS text;
CREATE DOMAIN email AS text;
CREATE SEQUENCE invoice_number;
CREATE TABLE customers (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  email email NOT NULL UNIQUE,
  name varchar(50),
  phone text,
  country char(2),
  ip cidr,
  credit numeric(10, 2) DEFAULT 0,
  visits integer NOT NULL DEFAULT 0,
  birthday date,
  seen_at timestamp,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE products (id integer PRIMARY KEY, sku text NOT NULL, title text NOT NULL, price numeric(8, 2) NOT NULL, stock integer, tags text[]);
CREATE UNIQUE INDEX products_sku_idx ON products (sku);
CREATE INDEX products_title_idx ON products (title);
CREATE TABLE orders (
  id bigserial PRIMARY KEY,
  customer_id bigint NOT NULL REFERENCES customers (id),
  product_id integer,
  state order_state NOT NULL DEFAULT 'new',
  quantity integer,
  total numeric(10, 2),
  note text,
  coupon text,
  placed_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT orders_quantity_check CHECK (quantity > 0),
  CONSTRAINT orders_coupon_present CHECK (coupon IS NOT NULL)
);
ALTER TABLE orders ADD CONSTRAINT orders_total_check CHECK (total >= 0) NOT VALID;
CREATE UNIQUE INDEX orders_note_uidx ON orders (note);
CREATE INDEX orders_customer_idx ON orders (customer_id);
CREATE TABLE sessions (token uuid PRIMARY KEY, customer_id bigint, data jsonb, expires_at timestamptz);
CREATE TABLE ratings (customer_id bigint, product_id integer, stars positive_int);
CREATE TABLE measurements (at timestamptz NOT NULL, value double precision) PARTITION BY RANGE (at);
CREATE TABLE measurements_2025 PARTITION OF measurements FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE measurements_2026 (at timestamptz NOT NULL, value double precision);
CREATE TABLE measurements_2027 (at timestamptz NOT NULL, value double precision,
  CONSTRAINT measurements_2027_bounds CHECK (at >= '2027-01-01'::timestamptz AND at < '2028-01-01'::timestamptz));
CREATE TABLE events (position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, stream_id text NOT NULL, version integer NOT NULL, type text NOT NULL, data jsonb NOT NULL, UNIQUE (stream_id, version));
CREATE VIEW paid_orders AS SELECT id, customer_id FROM orders WHERE state = 'paid';
CREATE MATERIALIZED VIEW sales AS SELECT product_id, count(*) AS sold FROM orders GROUP BY product_id;
CREATE UNIQUE INDEX sales_product_idx ON sales (product_id);
CREATE FUNCTION order_total(price numeric, quantity integer) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT price * quantity';
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE FUNCTION next_code() RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT md5(random()::text) $$;
CREATE FUNCTION fixed_code() RETURNS text LANGUAGE sql STABLE AS $$ SELECT 'x'::text $$;
CREATE FUNCTION widen() RETURNS void LANGUAGE plpgsql AS $$ BEGIN ALTER TABLE products ALTER COLUMN id TYPE bigint; END $$;
CREATE TRIGGER touch_products BEFORE UPDATE ON products FOR EACH ROW EXECUTE FUNCTION touch();
CREATE SCHEMA billing;
CREATE TABLE billing.invoices (id bigint PRIMARY KEY, customer_id bigint, amount numeric(12, 2) NOT NULL, status varchar(20) DEFAULT 'open', issued date, pdf bytea);
CREATE TABLE "Order Lines" ("Line No" integer PRIMARY KEY, "order" bigint, "Qty" smallint, "Price" real);
CREATE TABLE rooms (room integer, during tsrange);
