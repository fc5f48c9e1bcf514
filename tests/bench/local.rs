//! T11 and T12: bytes per value kept, and how fast the local history answers.

pub fn run() -> anyhow::Result<()> {
    Ok(())
}
