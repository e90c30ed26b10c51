//! Numbers as letters and digits, and the checksum at the end of what we issue.

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// 62^43 is just above 2^256.
pub const LENGTH_OF_256: usize = 43;
/// 62^6 is above 2^32.
pub const CHECKSUM: usize = 6;

/// The CRC32 of a text.
pub fn checksum(body: &str) -> String {
    digits(crc32fast::hash(body.as_bytes()).into(), CHECKSUM)
}

/// The last `length` digits of a number.
pub fn digits(mut value: u128, length: usize) -> String {
    let mut digits = vec![0u8; length];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(value % 62) as usize];
        value /= 62;
    }
    digits.into_iter().map(char::from).collect()
}

/// A 256-bit number, by long division.
pub fn of_256(mut number: [u8; 32]) -> String {
    let mut digits = [0u8; LENGTH_OF_256];
    for digit in digits.iter_mut().rev() {
        let mut rest = 0u32;
        for byte in &mut number {
            let value = rest << 8 | u32::from(*byte);
            *byte = (value / 62) as u8;
            rest = value % 62;
        }
        *digit = ALPHABET[rest as usize];
    }
    digits.into_iter().map(char::from).collect()
}
