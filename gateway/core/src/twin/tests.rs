//! Repeats, watermarks, and blobs that come back as they were.
