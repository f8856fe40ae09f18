PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;

CREATE TABLE IF NOT EXISTS customers (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  email TEXT NOT NULL UNIQUE COLLATE NOCASE
);

CREATE TABLE IF NOT EXISTS products (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  price_cents INTEGER NOT NULL CHECK (price_cents >= 0),
  in_stock INTEGER NOT NULL CHECK (in_stock >= 0)
);

CREATE TABLE IF NOT EXISTS orders (
  id TEXT PRIMARY KEY,
  customer_id TEXT NOT NULL REFERENCES customers,
  created_at TEXT NOT NULL,
  document TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS invoices (
  id TEXT PRIMARY KEY,
  order_id TEXT NOT NULL REFERENCES orders,
  created_at TEXT NOT NULL,
  document TEXT NOT NULL
);

-- The journal: one row for everything that ever changed, in order.
CREATE TABLE IF NOT EXISTS effects (
  sequence INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  key TEXT,
  reference TEXT NOT NULL,
  at TEXT NOT NULL
);

-- Idempotency keys, each with the answer its first request got.
CREATE TABLE IF NOT EXISTS keys (
  key TEXT PRIMARY KEY,
  digest TEXT NOT NULL,
  answer TEXT NOT NULL,
  requests INTEGER NOT NULL
);

INSERT OR IGNORE INTO customers VALUES
  ('cus_ada', 'Ada Lovelace', 'ada@example.com'),
  ('cus_grace', 'Grace Hopper', 'grace@example.com'),
  ('cus_alan', 'Alan Turing', 'alan@example.com');

INSERT OR IGNORE INTO products VALUES
  ('prd_mug_blue', 'Blue mug', 'Stoneware, 350 ml, dishwasher safe', 1250, 10000),
  ('prd_mug_red', 'Red mug', 'Stoneware, 350 ml, dishwasher safe', 1250, 10000),
  ('prd_notebook', 'Notebook', 'A5, dotted, 192 pages', 1890, 10000),
  ('prd_teapot', 'Teapot', 'Cast iron, 1.2 litres', 4900, 10000);
