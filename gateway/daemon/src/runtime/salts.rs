//! Salts for journal segments: one seed of the operating system, stretched.

use super::random;

/// A source of numbers that nobody can guess.
///
/// # Errors
/// When the operating system gives no seed.
pub fn salts() -> std::io::Result<Box<dyn FnMut() -> u128 + Send>> {
    let seed: [u8; 32] = random::bytes()?;
    let mut count = 0u64;
    Ok(Box::new(move || {
        count += 1;
        let hash = blake3::keyed_hash(&seed, &count.to_le_bytes());
        let mut salt = [0; 16];
        salt.copy_from_slice(&hash.as_bytes()[..16]);
        u128::from_le_bytes(salt)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_salts_are_equal_in_one_run_or_two() {
        let (mut a, mut b) = (salts().unwrap(), salts().unwrap());
        let mut all = vec![a(), a(), b(), b()];
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 4);
    }
}
