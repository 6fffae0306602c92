-- The ledger: one SQLite file a shop, written by one writer, read by the page, by sync and by `carryout verify`.
--
-- `entries` is the journal and the only truth. It is append-only and hash-chained: changing an old line breaks every
-- later hash. Everything that names or follows a person lies apart in `subject_data`, encrypted under a key of its
-- visit, so that a person can be forgotten and the chain still holds. All other tables are projections of the journal,
-- kept in the same transaction so that a question is one query, except `outbox`, whose delivery columns sync keeps.
--
-- Times are microseconds of shop time (`*_us`), amounts integer minor units of the shop's currency, ids text.

-- What is durably so, one line a fact, in the order the floor said it.
CREATE TABLE entries (
    -- Counts up from 1 without a gap.
    seq        INTEGER PRIMARY KEY CHECK (seq > 0),
    -- Hash of the entry before; 32 zero bytes for the first.
    prev       BLOB NOT NULL CHECK (length(prev) = 32),
    -- The fact's kind, as in its body: visit_opened, claimed, charge_queued, ...
    kind       TEXT NOT NULL CHECK (kind = json_extract(body, '$.kind')),
    -- When it was so.
    t_us       INTEGER NOT NULL,
    -- The visit it is about, if it is about one.
    visit      TEXT CHECK (length(visit) = 36),
    -- The public fact as JSON, keys sorted. Never holds a token, a name, a last4 or a place where somebody stood.
    body       TEXT NOT NULL CHECK (json_valid(body)),
    -- sha256(salt || ciphertext) of the personal part in subject_data; 32 zero bytes when there never was one.
    commitment BLOB NOT NULL CHECK (length(commitment) = 32),
    -- sha256 over prev, seq, kind, t_us, visit, body and commitment; chain.rs says in which order.
    hash       BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

-- "Why was this visit charged?" reads one visit's entries.
CREATE INDEX entries_by_visit ON entries (visit) WHERE visit IS NOT NULL;

-- Keys of personal parts. Deleting a row forgets everything encrypted under it, in this file and in every copy of it
-- that was made without the key.
CREATE TABLE visit_keys (
    -- The visit's id, or the tap's for a tap that opened no visit.
    key_id TEXT PRIMARY KEY,
    -- 32 random bytes (ChaCha20-Poly1305), drawn when the first personal part of that visit was written.
    key    BLOB NOT NULL CHECK (length(key) = 32)
) STRICT, WITHOUT ROWID;

-- The personal part of an entry: a credential, or where the visit's bodies stood.
CREATE TABLE subject_data (
    -- The entry it belongs to.
    seq        INTEGER PRIMARY KEY REFERENCES entries (seq),
    -- Whose key opens it.
    key_id     TEXT NOT NULL REFERENCES visit_keys (key_id),
    -- 16 random bytes, so that the commitment in the chain cannot be guessed at after the ciphertext is gone; the first
    -- 12 are the nonce.
    salt       BLOB NOT NULL CHECK (length(salt) = 16),
    -- ChaCha20-Poly1305 of the part as JSON; the entry's seq and kind are authenticated with it.
    ciphertext BLOB NOT NULL,
    -- Whereabouts go by themselves after an hour, the credential of a tap that opened no visit after a day; NULL stays
    -- until the visit is erased.
    expires_us INTEGER
) STRICT;

-- Erasing a visit finds its parts here.
CREATE INDEX subject_by_key ON subject_data (key_id);
-- The hourly broom finds what has expired here.
CREATE INDEX subject_by_expiry ON subject_data (expires_us) WHERE expires_us IS NOT NULL;

-- Which entry holds the credential of a tap, so that `payer_bound` by tap finds it.
CREATE TABLE taps (
    -- As the reader named it.
    tap_id TEXT PRIMARY KEY,
    -- The entry whose personal part is the credential.
    seq    INTEGER NOT NULL REFERENCES entries (seq),
    -- The visit it pays for or opened, once known; erasing that visit forgets the tap's credential too.
    visit  TEXT
) STRICT, WITHOUT ROWID;

-- One line a visit, from first step in to last step out.
CREATE TABLE visits (
    -- uuid v5 of the shop and the observation that began it.
    visit           TEXT PRIMARY KEY CHECK (length(visit) = 36),
    -- The first entry that names it.
    first_seq       INTEGER NOT NULL REFERENCES entries (seq),
    -- When it opened; NULL while only a tap spoke of it.
    entered_us      INTEGER,
    -- When its last body left; NULL while it is open.
    left_us         INTEGER,
    -- How it ended; NULL while it is open.
    outcome         TEXT CHECK (outcome IN ('charged', 'empty', 'review', 'loss', 'staff')),
    -- The entry whose personal part is the payer's credential; NULL while nobody pays.
    payer_seq       INTEGER REFERENCES entries (seq),
    -- Its latest whereabouts; a restart matches bodies against them.
    whereabouts_seq INTEGER REFERENCES entries (seq),
    -- The entry that erased its personal parts; NULL while they are kept.
    erased_seq      INTEGER REFERENCES entries (seq),
    CHECK ((left_us IS NULL) = (outcome IS NULL))
) STRICT, WITHOUT ROWID;

-- Restart and page ask for the open ones.
CREATE INDEX visits_open ON visits (first_seq) WHERE left_us IS NULL;

-- Demands on payers. The body is the charge_queued entry and never changes; a changed body is a new n.
CREATE TABLE charges (
    -- uuid v5 of (visit, n).
    charge_id    TEXT PRIMARY KEY CHECK (length(charge_id) = 36),
    -- Whose.
    visit_id     TEXT NOT NULL REFERENCES visits (visit),
    -- 0 the settlement, 1.. supplements.
    n            INTEGER NOT NULL CHECK (n >= 0),
    -- The charge_queued entry.
    seq          INTEGER NOT NULL REFERENCES entries (seq),
    -- What is demanded.
    total        INTEGER NOT NULL CHECK (total > 0),
    -- The entry whose personal part is the credential it is demanded of, frozen when it was queued, so that the same
    -- charge id always goes out with the same body; NULL: the hold alone names the payer.
    payer_seq    INTEGER REFERENCES entries (seq),
    -- What upstream last said of it.
    state        TEXT NOT NULL CHECK (state IN ('queued', 'sent', 'captured', 'declined', 'unknown', 'written_off')),
    -- Why it was declined or written off, in upstream's words.
    reason       TEXT,
    -- The charge_answered entry that said so; NULL while there was no answer.
    answered_seq INTEGER REFERENCES entries (seq),
    -- One demand a visit and number: a second one is a bug, and the transaction that tries it is refused.
    UNIQUE (visit_id, n)
) STRICT, WITHOUT ROWID;

-- Money given back on a charge.
CREATE TABLE refunds (
    -- uuid v5 of (visit, its number).
    refund_id    TEXT PRIMARY KEY CHECK (length(refund_id) = 36),
    -- Whose.
    visit_id     TEXT NOT NULL REFERENCES visits (visit),
    -- Of which charge.
    charge_id    TEXT NOT NULL REFERENCES charges (charge_id),
    -- The refund_queued entry; it holds the body.
    seq          INTEGER NOT NULL REFERENCES entries (seq),
    -- What is given back; all of a charge's refunds together are never more than the charge.
    amount       INTEGER NOT NULL CHECK (amount > 0),
    -- What upstream said of it.
    state        TEXT NOT NULL CHECK (state IN ('queued', 'done', 'refused')),
    -- The refund_answered entry; NULL while there was no answer.
    answered_seq INTEGER REFERENCES entries (seq)
) STRICT, WITHOUT ROWID;

-- A charge's refunds are summed up before another is accepted.
CREATE INDEX refunds_by_charge ON refunds (charge_id);

-- The receipt of a visit as it now stands.
CREATE TABLE receipts (
    -- One receipt a visit.
    visit       TEXT PRIMARY KEY REFERENCES visits (visit),
    -- uuid v5 of the visit.
    receipt_id  TEXT NOT NULL UNIQUE CHECK (length(receipt_id) = 36),
    -- Gap-free in the shop, from 1; a receipt keeps its number through every change.
    number      INTEGER NOT NULL UNIQUE CHECK (number > 0),
    -- The entry that is the receipt as it now stands.
    seq         INTEGER NOT NULL REFERENCES entries (seq),
    -- Its date: when the visit left.
    date_us     INTEGER NOT NULL,
    -- What it now says is owed.
    total       INTEGER NOT NULL,
    -- What its latest final or adjusted version said; captured less refunded comes to this. NULL: never final yet.
    final_total INTEGER,
    -- draft, being_checked, final, contested or adjusted.
    status      TEXT NOT NULL CHECK (status IN ('draft', 'being_checked', 'final', 'contested', 'adjusted'))
) STRICT, WITHOUT ROWID;

-- Customers look for their receipt by date.
CREATE INDEX receipts_by_date ON receipts (date_us);

-- The latest settled levels of each shelf: what a restart compares the shelves against.
CREATE TABLE levels (
    -- As shop.toml names it.
    shelf TEXT PRIMARY KEY,
    -- The levels entry.
    seq   INTEGER NOT NULL REFERENCES entries (seq)
) STRICT, WITHOUT ROWID;

-- What upstream has yet to hear, oldest first. A row goes when upstream's answer is durable; the order within a visit
-- is kept. Charges and refunds go with the entry that answers them, in its transaction.
CREATE TABLE outbox (
    -- Order of going out. Never used twice.
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Which call it is.
    what            TEXT NOT NULL CHECK (what IN ('charge', 'refund', 'release', 'event')),
    -- The charge's, refund's or event's id; for a release the authorisation's, or the tap's that asked for it.
    ref             TEXT NOT NULL,
    -- The visit whose order it keeps; NULL keeps none.
    visit           TEXT,
    -- An event's JSON; NULL for the rest, whose bodies are entries.
    body            TEXT CHECK ((what = 'event') = (body IS NOT NULL)),
    -- waiting: not sent; sent: on its way, or was when we died; unknown: upstream may or may not have it, so it is asked
    -- for before it is sent again; declined: waits for another try.
    state           TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'unknown', 'declined')),
    -- How often it was sent.
    attempts        INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    -- How often upstream declined it.
    declines        INTEGER NOT NULL DEFAULT 0 CHECK (declines >= 0),
    -- When the last decline became durable.
    declined_us     INTEGER,
    -- Not before then.
    next_try_us     INTEGER NOT NULL,
    -- When it was queued; the page shows the age of the oldest.
    first_queued_us INTEGER NOT NULL,
    -- Why the last try failed, for a person.
    last_error      TEXT,
    -- Only what is in the books goes out.
    charge_id       TEXT REFERENCES charges (charge_id) GENERATED ALWAYS AS (CASE what WHEN 'charge' THEN ref END) STORED,
    -- As above.
    refund_id       TEXT REFERENCES refunds (refund_id) GENERATED ALWAYS AS (CASE what WHEN 'refund' THEN ref END) STORED,
    -- A thing is said once.
    UNIQUE (what, ref)
) STRICT;

-- The head of each visit's queue.
CREATE INDEX outbox_by_visit ON outbox (visit, id) WHERE visit IS NOT NULL;
-- What is due.
CREATE INDEX outbox_by_time ON outbox (next_try_us, id);
