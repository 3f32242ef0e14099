//! Arithmetic of polynomials over GF(2), bit n standing for xⁿ.

use crate::error::{Error, Result};
use crate::format::Polynomial;

/// The degree of every chunker's polynomial.
pub const DEGREE: u32 = 53;

/// The degree; 0 for the polynomials 0 and 1.
const fn degree(polynomial: u128) -> u32 {
    match polynomial.checked_ilog2() {
        Some(degree) => degree,
        None => 0,
    }
}

/// The remainder of `dividend` divided by `divisor`, which is not zero.
pub const fn remainder(mut dividend: u128, divisor: u128) -> u128 {
    while dividend != 0 && degree(dividend) >= degree(divisor) {
        dividend ^= divisor << (degree(dividend) - degree(divisor));
        if degree(divisor) == 0 {
            return 0;
        }
    }
    dividend
}

/// The product modulo `modulus`, for factors below degree 64.
fn product(a: u128, b: u128, modulus: u128) -> u128 {
    let shifted = (0..64).filter(|bit| (b >> bit) & 1 == 1).map(|bit| a << bit);
    remainder(shifted.fold(0, |sum, part| sum ^ part), modulus)
}

const fn common_divisor(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, remainder(a, b));
    }
    a
}

/// Whether the polynomial has no divisors, by Ben-Or's test: it shares none with any x^(2^i) - x.
pub fn is_irreducible(polynomial: Polynomial) -> bool {
    let modulus = u128::from(polynomial.0);
    let mut power = 2;
    (0..degree(modulus) / 2).all(|_| {
        power = product(power, power, modulus);
        common_divisor(modulus, power ^ 2) == 1
    })
}

/// A random irreducible polynomial of degree 53.
pub fn random() -> Result<Polynomial> {
    loop {
        let bits = getrandom::u64().map_err(Error::Random)?;
        // The highest and the lowest coefficient are 1: without the latter it would be divisible by x.
        let candidate = Polynomial((bits & ((1 << DEGREE) - 1)) | (1 << DEGREE) | 1);
        if is_irreducible(candidate) {
            return Ok(candidate);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_irreducible_ones() {
        // x² + x + 1 and restic's documented polynomials are; x² + 1 = (x + 1)² and even ones are not.
        for polynomial in [0b111, 0x25_b468_838d_cb75, 0x3d_a335_8b4d_c173] {
            assert!(is_irreducible(Polynomial(polynomial)), "{polynomial:x}");
        }
        for polynomial in [0b101, 0b110, 0x25_b468_838d_cb74, 0x25_b468_838d_cb77] {
            assert!(!is_irreducible(Polynomial(polynomial)), "{polynomial:x}");
        }
    }

    #[test]
    fn random_ones_are_of_degree_53_and_differ() {
        let (first, second) = (random().unwrap(), random().unwrap());
        assert_ne!(first, second);
        assert_eq!((degree(first.0.into()), degree(second.0.into())), (DEGREE, DEGREE));
    }
}
