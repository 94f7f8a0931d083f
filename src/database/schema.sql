-- A hitmap database, schema version 2. `traffic` is for everyone; the tables are hitmap's own.

-- last_version: of the last commit. minute_pages: whether cells of pages a minute are kept.
CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;

-- rules: the counting rules (JSON). pruned_before: days before this one have lost their parts.
CREATE TABLE site(
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, rules TEXT NOT NULL, pruned_before INTEGER);

-- The ledger. site: whose log it is. id: hash of all bytes counted. blocks: hashes of the 8 MiB blocks of them. totals: sums over the lines
-- (JSON). Times are unix milliseconds.
CREATE TABLE source(
  number INTEGER PRIMARY KEY, site INTEGER NOT NULL, short_id TEXT NOT NULL UNIQUE, id BLOB NOT NULL UNIQUE,
  name TEXT NOT NULL, bytes INTEGER NOT NULL, blocks BLOB NOT NULL, beginnings BLOB NOT NULL, format TEXT,
  totals TEXT NOT NULL, added INTEGER NOT NULL, changed INTEGER NOT NULL);

-- What a source was before it grew: the ids of shorter states, which are counted as well.
CREATE TABLE former(id BLOB PRIMARY KEY, source INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX former_source ON former(source);

-- The facts of a source's day. Days are counted from 1970-01-01.
CREATE TABLE part(
  site INTEGER NOT NULL, day INTEGER NOT NULL, source INTEGER NOT NULL, block BLOB NOT NULL,
  UNIQUE(site, day, source));
CREATE INDEX part_source ON part(source);

-- Distinct visitors in the days that a week (its Monday) and a month (12 x year + month - 1) share.
CREATE TABLE span(
  site INTEGER NOT NULL, month INTEGER NOT NULL, monday INTEGER NOT NULL, sets BLOB NOT NULL,
  UNIQUE(site, month, monday));

-- When a day changed last, and sums over its cells (JSON; '' where it has none any more). Which version of a day, a
-- week, a month or all time a target was sent last: it keeps the version, too, so a target that has another one was
-- published to by somebody else.
CREATE TABLE day(
  site INTEGER NOT NULL, day INTEGER NOT NULL, version INTEGER NOT NULL, sums TEXT NOT NULL,
  PRIMARY KEY(site, day)) WITHOUT ROWID;
CREATE TABLE published(
  target TEXT NOT NULL, site TEXT NOT NULL, period TEXT NOT NULL, version INTEGER NOT NULL,
  PRIMARY KEY(target, site, period)) WITHOUT ROWID;

-- Where (section and page, '' for all) and when; a cell is a number of page views and of unique visitors.
CREATE TABLE place(
  id INTEGER PRIMARY KEY, site INTEGER NOT NULL, section TEXT NOT NULL, page TEXT NOT NULL,
  UNIQUE(page, section, site));
CREATE TABLE slot(
  id INTEGER PRIMARY KEY, site INTEGER NOT NULL, granularity TEXT NOT NULL, bucket TEXT NOT NULL,
  UNIQUE(granularity, bucket, site));
CREATE TABLE cell(
  slot INTEGER NOT NULL, place INTEGER NOT NULL, pv INTEGER NOT NULL, uv INTEGER NOT NULL,
  PRIMARY KEY(slot, place)) WITHOUT ROWID;

CREATE VIEW traffic(site, granularity, bucket, section, page, pv, uv) AS
  SELECT site.name, slot.granularity, slot.bucket, place.section, place.page, cell.pv, cell.uv
  FROM slot JOIN site ON site.id = slot.site JOIN cell ON cell.slot = slot.id JOIN place ON place.id = cell.place;
