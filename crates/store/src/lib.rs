//! The embedded SQLite store: group commit, sealed columns, migrations
