-- A hitmap database, schema version 3. `traffic` is for everyone; the tables are hitmap's own, and the guide's page
-- "The database format" says what is in them. Days are counted from 1970-01-01, times of runs are unix milliseconds.

-- version: of the last commit. next_...: the next number to be given. cells: finest granularity of cells of pages.
-- rewrite_due: 1 until the file was written anew after facts were taken out.
CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;

-- rules: the counting rules that differ from their defaults (JSON). pruned_before: days before it have lost their facts.
CREATE TABLE site(
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, rules TEXT NOT NULL, is_named INTEGER NOT NULL,
  pruned_before INTEGER);

-- The ledger. content: hash of all bytes that were counted. blocks: hashes of the 8 MiB blocks of them.
CREATE TABLE source(
  id INTEGER PRIMARY KEY, short_id TEXT NOT NULL UNIQUE, content BLOB NOT NULL UNIQUE, first INTEGER,
  name TEXT NOT NULL, format TEXT, is_named INTEGER NOT NULL, bytes INTEGER NOT NULL, blocks BLOB NOT NULL,
  beginnings BLOB NOT NULL, states BLOB NOT NULL, as_new INTEGER NOT NULL, totals TEXT NOT NULL, added INTEGER NOT NULL,
  changed INTEGER NOT NULL);
CREATE INDEX source_first ON source(first);

-- What a source has of a site's day: sums (JSON) and the sample by which overlaps are found.
CREATE TABLE share(
  id INTEGER PRIMARY KEY, site INTEGER NOT NULL, day INTEGER NOT NULL, source INTEGER NOT NULL,
  totals TEXT NOT NULL, sample BLOB NOT NULL, UNIQUE(site, day, source));
CREATE INDEX share_source ON share(source);

-- Facts of a share. dimensions: bits. The bytes of a block lie in pieces:
-- key = kind (3 bits) << 60 | dimension (6) << 54 | block (38) << 16 | segment (16)
CREATE TABLE block(
  id INTEGER PRIMARY KEY, share INTEGER NOT NULL, dimensions INTEGER NOT NULL, visitors INTEGER NOT NULL,
  items INTEGER NOT NULL, facts INTEGER NOT NULL);
CREATE INDEX block_share ON block(share);
CREATE TABLE piece(key INTEGER PRIMARY KEY, bytes BLOB NOT NULL);

-- Sorted entries in levels: visitors' hashes with their numbers, and who was ever seen where.
CREATE TABLE level(
  structure TEXT NOT NULL, level INTEGER NOT NULL, entries INTEGER NOT NULL, cursor INTEGER NOT NULL,
  PRIMARY KEY(structure, level)) WITHOUT ROWID;
CREATE TABLE visitor(key INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
CREATE TABLE seen(key INTEGER PRIMARY KEY, bytes BLOB NOT NULL);

-- When a day changed last, and sums over its cells (JSON; '' where it has lost its facts). Which version of a period a
-- store was sent last.
CREATE TABLE day(
  id INTEGER PRIMARY KEY, site INTEGER NOT NULL, day INTEGER NOT NULL, version INTEGER NOT NULL,
  sums TEXT NOT NULL, UNIQUE(site, day));
CREATE TABLE published(
  target TEXT NOT NULL, site TEXT NOT NULL, period TEXT NOT NULL, version INTEGER NOT NULL,
  PRIMARY KEY(target, site, period)) WITHOUT ROWID;

-- Where (section and page, '' for all) and when; a cell is a number of page views and of unique visitors.
CREATE TABLE dimension(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE place(
  id INTEGER PRIMARY KEY, site INTEGER NOT NULL, dimension INTEGER NOT NULL, level INTEGER NOT NULL,
  section TEXT NOT NULL, page TEXT NOT NULL, UNIQUE(page, section, level, site, dimension));
CREATE TABLE class(id INTEGER PRIMARY KEY, granularity INTEGER NOT NULL, name TEXT NOT NULL, level TEXT NOT NULL);
CREATE TABLE calendar(
  granularity INTEGER NOT NULL, bucket INTEGER NOT NULL, text TEXT NOT NULL UNIQUE,
  PRIMARY KEY(granularity, bucket)) WITHOUT ROWID;
CREATE TABLE cell(
  class INTEGER NOT NULL, bucket INTEGER NOT NULL, place INTEGER NOT NULL, pv INTEGER NOT NULL, uv INTEGER NOT NULL,
  PRIMARY KEY(class, bucket, place)) WITHOUT ROWID;

INSERT INTO dimension(id, name) VALUES (0, 'page');
INSERT INTO class(id, granularity, name, level) VALUES
  (0, 0, 'day', 'site'), (1, 0, 'day', 'section'), (2, 0, 'day', 'page'),
  (4, 1, 'hour', 'site'), (5, 1, 'hour', 'section'), (6, 1, 'hour', 'page'),
  (8, 2, 'minute', 'site'), (9, 2, 'minute', 'section'), (10, 2, 'minute', 'page'),
  (12, 3, 'week', 'site'), (13, 3, 'week', 'section'),
  (16, 4, 'month', 'site'), (17, 4, 'month', 'section'),
  (20, 5, 'all', 'site'), (21, 5, 'all', 'section');

-- The planner goes through few classes, then buckets, then cells by primary key. `+` and `|| ''` keep it from beginning
-- with the site, which every row has.
CREATE VIEW traffic(site, granularity, bucket, section, page, pv, uv, level) AS
  SELECT site.name || '', class.name, calendar.text, place.section, place.page, cell.pv, cell.uv, class.level
  FROM class CROSS JOIN calendar CROSS JOIN cell JOIN place JOIN site
  WHERE class.id < 32 AND calendar.granularity = class.granularity AND cell.class = class.id
    AND cell.bucket = calendar.bucket AND place.id = cell.place AND site.id = +place.site;

-- What the planner would not guess: that a page's name is rare. Without it, the history of a page goes through the cells
-- of all pages (SQLite 3.54). The statement makes the table, and then reads it.
ANALYZE sqlite_schema;
INSERT INTO sqlite_stat1(tbl, idx, stat) VALUES ('place', 'sqlite_autoindex_place_1', '1000000 5 2 1 1 1');
ANALYZE sqlite_schema;
