//! `audit.db`: everything that must be provable, in one append-only hash chain.
