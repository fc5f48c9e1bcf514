//! Whether a request was signed by who knows the secret: HMAC-SHA256 over the body, or over time and body.

use axum::http::{HeaderMap, HeaderName};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use orderly_core::time::Timestamp;
use ring::hmac;

/// Bytes of an HMAC-SHA256.
const TAG: usize = 32;

/// How one vendor signs.
#[derive(Debug)]
pub struct Signature {
    /// Where the signature stands.
    pub header: HeaderName,
    /// What stands before it there.
    pub prefix: String,
    /// It is written in Base64, not in hexadecimal digits.
    pub base64: bool,
    /// Where the time stands that is signed before the body, and how many milliseconds it may be away.
    pub timestamp: Option<(HeaderName, i64)>,
    /// The secret.
    pub key: hmac::Key,
}

/// Why a request is not taken for the vendor's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// There is no signature, or it is not written as it should be.
    #[error("the signature is missing or not written as it should be")]
    Unreadable,
    /// There is no time, or it is none.
    #[error("the time is missing or is none")]
    Timeless,
    /// The time is too far away: a recorded request, or a clock that is wrong.
    #[error("the time is too far away; is a clock wrong?")]
    Stale,
    /// The secret or the body is another one.
    #[error("the signature does not fit; is the secret another one?")]
    Differs,
}

/// The key of a secret.
#[must_use]
pub fn key(secret: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret)
}

impl Signature {
    /// Checks a request. The signature comes first, so that nobody without the secret learns anything of the rest,
    /// and is compared in a time that says nothing of where it differs.
    ///
    /// # Errors
    /// Why it is not the vendor's.
    pub fn check(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<(), Wrong> {
        let said = text(headers, &self.header).and_then(|text| text.trim().strip_prefix(&*self.prefix));
        let said = said.and_then(|text| self.decoded(text)).filter(|said| said.len() == TAG);
        let said = said.ok_or(Wrong::Unreadable)?;
        let Some((header, tolerance_ms)) = &self.timestamp else {
            return hmac::verify(&self.key, body, &said).map_err(|_| Wrong::Differs);
        };
        let time = text(headers, header).ok_or(Wrong::Timeless)?;
        let message = [time.as_bytes(), b".", body].concat();
        hmac::verify(&self.key, &message, &said).map_err(|_| Wrong::Differs)?;
        let sent = moment(time).ok_or(Wrong::Timeless)?;
        if now.since(sent).unsigned_abs() > tolerance_ms.unsigned_abs() {
            return Err(Wrong::Stale);
        }
        Ok(())
    }

    fn decoded(&self, text: &str) -> Option<Vec<u8>> {
        if self.base64 {
            return STANDARD.decode(text).ok();
        }
        let pair = |pair: &[u8]| {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()
        };
        if !text.len().is_multiple_of(2) {
            return None;
        }
        text.as_bytes().chunks_exact(2).map(pair).collect()
    }
}

/// A header that stands there once and is text.
fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut all = headers.get_all(name).iter();
    let only = all.next().filter(|_| all.next().is_none())?;
    only.to_str().ok()
}

/// Seconds or milliseconds since 1970, or a time in RFC 3339.
fn moment(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let number: i64 = text.parse().ok()?;
        // Seconds have ten digits until the year 2286.
        return Some(Timestamp(if text.len() <= 11 { number.checked_mul(1_000)? } else { number }));
    }
    text.parse::<jiff::Timestamp>().ok().map(|time| Timestamp(time.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp(1_795_219_200_000);

    fn signature(base64: bool, prefix: &str, timed: bool) -> Signature {
        Signature {
            header: HeaderName::from_static("x-signature"),
            prefix: prefix.to_owned(),
            base64,
            timestamp: timed.then(|| (HeaderName::from_static("x-time"), 300_000)),
            key: key(b"Jefe"),
        }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn agrees_with_the_published_vector() {
        // RFC 4231, test case 2.
        let body = b"what do ya want for nothing?";
        let hex = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let base64 = "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=";
        for (one, said) in [
            (signature(false, "", false), hex.to_owned()),
            (signature(false, "", false), hex.to_uppercase()),
            (signature(false, "sha256=", false), format!("sha256={hex}")),
            (signature(true, "", false), format!(" {base64} ")),
        ] {
            assert_eq!(one.check(&headers(&[("x-signature", &said)]), body, NOW), Ok(()), "{said}");
        }
        for (prefix, said, want) in [
            ("", "", Wrong::Unreadable),
            ("", &hex[1..], Wrong::Unreadable),
            ("", &hex[2..], Wrong::Unreadable),
            ("", base64, Wrong::Unreadable),
            ("sha256=", hex, Wrong::Unreadable),
            ("", &hex.replace('5', "4"), Wrong::Differs),
        ] {
            let said = headers(&[("x-signature", said)]);
            assert_eq!(signature(false, prefix, false).check(&said, body, NOW), Err(want), "{said:?}");
        }
        let mut twice = headers(&[("x-signature", hex)]);
        twice.append("x-signature", hex.parse().unwrap());
        assert_eq!(signature(false, "", false).check(&twice, body, NOW), Err(Wrong::Unreadable));
    }

    #[test]
    fn a_time_is_signed_and_must_be_near() {
        let one = signature(false, "", true);
        let check = |time: &str, signed: &str, body: &[u8]| {
            let message = [signed.as_bytes(), b".{}"].concat();
            let tag = hmac::sign(&one.key, &message);
            let said: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            one.check(&headers(&[("x-signature", &said), ("x-time", time)]), body, NOW)
        };
        for near in ["1795219200", "1795219499", "1795218900123", "2026-11-21T08:00:10+08:00"] {
            assert_eq!(check(near, near, b"{}"), Ok(()), "{near}");
        }
        for far in ["1795219501", "1795218899", "1", "2026-11-21T08:00:00Z"] {
            assert_eq!(check(far, far, b"{}"), Err(Wrong::Stale), "{far}");
        }
        assert_eq!(check("1795219200", "1795219201", b"{}"), Err(Wrong::Differs), "moved to now");
        assert_eq!(check("1795219200", "1795219200", b"[]"), Err(Wrong::Differs));
        for none in ["soon", "99999999999999999999"] {
            assert_eq!(check(none, none, b"{}"), Err(Wrong::Timeless), "{none}");
        }
        let lone = headers(&[("x-signature", &"00".repeat(32))]);
        assert_eq!(one.check(&lone, b"{}", NOW), Err(Wrong::Timeless));
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic_or_passes(said in "[ -~]{0,80}", time in "[ -~]{0,30}", base64 in any::<bool>(), timed in any::<bool>()) {
            let pairs = [("x-signature", said.as_str()), ("x-time", time.as_str())];
            let refused = signature(base64, "", timed).check(&headers(&pairs), b"{}", NOW).is_err();
            prop_assert!(refused);
        }
    }
}
