-- Tables of a run, layout 4. Columns of type ANY hold a float as it is, also one that SQLite's own floats cannot express
-- (see value.rs). A hash is that of fmr_core::ImageHash. A vector is a BLOB of little-endian 32-bit floats.

-- Name, experiment file, what is kept.
CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE versions (name TEXT PRIMARY KEY, version TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- Lists of class names, as JSON.
CREATE TABLE class_lists (id INTEGER PRIMARY KEY, names TEXT NOT NULL UNIQUE) STRICT;

-- The plan. Every other table names a row by its number.
CREATE TABLE rows (
    row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, title TEXT NOT NULL, samples INTEGER NOT NULL,
    classes INTEGER NOT NULL
) STRICT;

CREATE TABLE fingerprints (
    row INTEGER NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (row, field)
) STRICT, WITHOUT ROWID;

-- RowFacts, as JSON.
CREATE TABLE facts (row INTEGER PRIMARY KEY, facts TEXT NOT NULL) STRICT;

CREATE TABLE replaced_plugins (
    row INTEGER NOT NULL, position INTEGER NOT NULL, field TEXT NOT NULL, old TEXT NOT NULL, new TEXT NOT NULL,
    kept INTEGER NOT NULL, PRIMARY KEY (row, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE samples (
    row INTEGER NOT NULL, idx INTEGER NOT NULL, key TEXT NOT NULL, label INTEGER NOT NULL, clean_prediction INTEGER,
    clean_oracle INTEGER, reconstruction_prediction INTEGER, reconstruction_oracle INTEGER,
    reconstruction_accepted INTEGER NOT NULL, score0 ANY, final_score ANY, final_prediction INTEGER,
    final_oracle INTEGER, outcome TEXT NOT NULL, ended_at INTEGER NOT NULL, accepted_updates INTEGER NOT NULL,
    final_from INTEGER, finished INTEGER, latent_moved ANY, moved_spreads ANY, cached TEXT NOT NULL, error TEXT, PRIMARY KEY (row, idx)
) STRICT, WITHOUT ROWID;

CREATE TABLE steps (
    row INTEGER NOT NULL, idx INTEGER NOT NULL, position INTEGER NOT NULL, t INTEGER NOT NULL, score ANY,
    gradient_norm ANY, oracle_true ANY, oracle_class INTEGER, prediction INTEGER, accepted INTEGER NOT NULL,
    PRIMARY KEY (row, idx, position)
) STRICT, WITHOUT ROWID;

-- Latents of final images, where the run keeps them.
CREATE TABLE latents (row INTEGER NOT NULL, idx INTEGER NOT NULL, latent BLOB NOT NULL, PRIMARY KEY (row, idx)) STRICT;

-- Every image once, however many samples have it. The hash is that of the pixels that the data decodes to.
CREATE TABLE images (
    hash BLOB PRIMARY KEY NOT NULL, encoding TEXT NOT NULL, channels INTEGER NOT NULL, height INTEGER NOT NULL,
    width INTEGER NOT NULL, data BLOB NOT NULL
) STRICT;

CREATE TABLE judges (
    id INTEGER PRIMARY KEY, role TEXT NOT NULL, fingerprint TEXT NOT NULL, name TEXT NOT NULL,
    UNIQUE (role, fingerprint)
) STRICT;

-- The three images of a sample. `judged` is the hash of what the row's target and oracle saw and answered, `image` that
-- of the form in which it is kept. An empty vector: nobody was asked.
CREATE TABLE shown (
    row INTEGER NOT NULL, idx INTEGER NOT NULL, role TEXT NOT NULL, judged BLOB NOT NULL, image BLOB NOT NULL,
    target INTEGER NOT NULL, oracle INTEGER NOT NULL, logits BLOB NOT NULL, probabilities BLOB NOT NULL,
    PRIMARY KEY (row, idx, role)
) STRICT;
CREATE INDEX shown_judged ON shown (judged);
CREATE INDEX shown_image ON shown (image);

-- Answers of further judges, by the hash of what they were shown.
CREATE TABLE answers (
    image BLOB NOT NULL, judge INTEGER NOT NULL, classes INTEGER NOT NULL, answer BLOB NOT NULL,
    PRIMARY KEY (image, judge, classes)
) STRICT, WITHOUT ROWID;
