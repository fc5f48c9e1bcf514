//! Binary floating-point numbers of 16 and 32 bits as the decimals that the sender meant.
//!
//! 36.4 sent in 32 bits is 36.400001525878906 when it is only widened. So a fraction becomes the shortest decimal
//! that gives the same bits back; a whole number is exactly what it is: a time or a count must not be rounded.

/// A number of 32 bits.
#[must_use]
pub fn single(value: f32) -> f64 {
    let exact = f64::from(value);
    if !exact.is_finite() || exact.fract() == 0.0 {
        return exact;
    }
    value.to_string().parse().unwrap_or(exact)
}

/// An IEEE 754 number of 16 bits: sign, 5 bits of exponent, 10 of fraction.
#[must_use]
pub fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    // The distance to its neighbours.
    let step = 2_f64.powi(exponent.max(1) - 25);
    let exact = match exponent {
        31 if fraction == 0.0 => return sign * f64::INFINITY,
        31 => return f64::NAN,
        0 => fraction * step,
        _ => (1024.0 + fraction) * step,
    };
    if exact.fract() == 0.0 {
        return sign * exact;
    }
    // A power of two is nearer to its lower neighbour.
    let reach = if fraction == 0.0 { step / 4.0 } else { step / 2.0 };
    let mut short = (0..5).filter_map(|digits| format!("{exact:.digits$e}").parse::<f64>().ok());
    sign * short.find(|short| (short - exact).abs() < reach).unwrap_or(exact)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_the_shortest_decimal_and_whole_numbers_exact() {
        for (value, wanted) in [
            (36.6, 36.6),
            (-0.1, -0.1),
            (1_763_699_968.0, 1_763_699_968.0),
            (-16_777_218.0, -16_777_218.0),
            (1e-40, 1e-40),
            (f32::MAX, f64::from(f32::MAX)),
            (f32::NEG_INFINITY, f64::NEG_INFINITY),
        ] {
            assert!(single(value) == wanted, "{value}: {}", single(value));
        }
        assert!(single(f32::NAN).is_nan());
    }

    #[test]
    fn every_half_comes_back_from_its_decimal() {
        let exact = |bits: u16| {
            let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
            match exponent {
                0 => fraction * 2_f64.powi(-24),
                _ => (1024.0 + fraction) * 2_f64.powi(exponent - 25),
            }
        };
        for bits in 0..0x7C00_u16 {
            let (short, own) = (half(bits), exact(bits));
            let off = (short - own).abs();
            assert!(
                bits == 0 || off < (own - exact(bits - 1)).abs() / 2.0 + f64::EPSILON * own,
                "{bits:#x}: {short}"
            );
            assert!(off < (exact(bits + 1) - own).abs(), "{bits:#x}: {short}");
            assert!(own.fract() != 0.0 || short == own, "{bits:#x}: {short}");
            assert!(half(bits | 0x8000) == -short);
        }
        assert_eq!([half(0x508D), half(0x2E66), half(0xC000), half(0x0001)], [36.4, 0.1, -2.0, 6e-8]);
    }
}
