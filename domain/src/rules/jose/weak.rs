//! Keys that have the right form and protect nothing.

use ring::{
    agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral},
    rand::SystemRandom,
};

use super::public_key::POINT;

/// Primes by which moduli of the ROCA family are told (CVE-2017-15361): modulo each, such a modulus is a power of 65537.
const ROCA_PRIMES: [u64; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127,
    131, 137, 139, 149, 151, 157, 163, 167,
];

/// The y coordinates, little-endian, of the points of Ed25519 whose order is 8 at most, also in forms that are not reduced:
/// 0, 1, -1, p, p + 1 and the two of order 8. Under such a key anybody can sign.
const SMALL_ORDER: [[u8; 32]; 7] = [
    [0; 32],
    ends(0x01, 0x00, 0x00),
    ends(0xec, 0xff, 0x7f),
    ends(0xed, 0xff, 0x7f),
    ends(0xee, 0xff, 0x7f),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05,
        0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa,
        0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];

const fn ends(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

/// Whether an RSA modulus comes from the chips whose keys can be factored. One good modulus in some 10^8 is taken for such.
pub fn roca(n: &[u8]) -> bool {
    ROCA_PRIMES.iter().all(|prime| {
        let residue = n.iter().fold(0, |rest, byte| (rest * 256 + u64::from(*byte)) % prime);
        let mut power = 1;
        for _ in 0..*prime {
            if power == residue {
                return true;
            }
            power = power * 65537 % prime;
        }
        false
    })
}

/// Whether the x of an Ed25519 JWK, which is the encoded point, is of small order. The top bit is the sign of x.
pub fn small_order(point: &[u8; 32]) -> bool {
    let mut y = *point;
    y[31] &= 0x7f;
    SMALL_ORDER.contains(&y)
}

/// Whether the point is on P-256. ring tells this only when agreeing on a key, so one is agreed on and thrown away.
pub fn on_p256(point: &[u8; POINT]) -> bool {
    EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new())
        .and_then(|own| agree_ephemeral(own, &UnparsedPublicKey::new(&ECDH_P256, point), |_| ()))
        .is_ok()
}

#[cfg(test)]
mod tests {
    use ring::signature::{ED25519, UnparsedPublicKey};

    use super::*;

    /// Whether some message verifies under this key with R the neutral element and S zero, which takes no private key: for a
    /// point of order 8 at most, one message in eight does.
    fn anybody_signs(point: &[u8; 32]) -> bool {
        let mut signature = [0; 64];
        signature[0] = 1;
        let key = UnparsedPublicKey::new(&ED25519, point);
        (0..=255u8).any(|message| key.verify(&[message], &signature).is_ok())
    }

    #[test]
    fn keys_under_which_anybody_signs_are_told_from_others() {
        let mut forged = 0;
        for y in SMALL_ORDER {
            for sign in [0, 0x80] {
                let mut point = y;
                point[31] |= sign;
                assert!(small_order(&point), "{point:?}");
                forged += u32::from(anybody_signs(&point));
            }
        }
        // All but some of those in a form that ring does not read.
        assert!(forged >= 7, "{forged}");
        for byte in [2, 3, 9, 77, 128, 200, 254, 255] {
            let mut point = [byte; 32];
            point[31] &= 0x7f;
            assert!(!small_order(&point) && !anybody_signs(&point), "{byte}");
        }
    }
}
