//! Counts a document's tokens and brackets without building anything: the parser descends by recursion, and must never see
//! a document that would exhaust its stack.

use super::{MAX_BRACKETS, MAX_DOCUMENT, MAX_TOKENS, Refusal};

/// Refuses what is too long, has too many tokens or brackets inside each other, or a NUL in a string.
pub fn check(text: &str) -> Result<(), Refusal> {
    if text.len() > MAX_DOCUMENT {
        let message =
            format!("the document has {} bytes, at most {MAX_DOCUMENT} are taken: pass long values as variables", text.len());
        return Err(Refusal::over("document", MAX_DOCUMENT as u64, message));
    }
    let bytes = text.as_bytes();
    let (mut at, mut tokens, mut brackets) = (0, 0, 0_usize);
    while at < bytes.len() {
        at = match bytes[at] {
            b' ' | b'\t' | b'\r' | b'\n' | b',' | 0xef | 0xbb | 0xbf => {
                at += 1;
                continue;
            }
            b'#' => {
                at = skip_while(bytes, at, |b| b != b'\n' && b != b'\r');
                continue;
            }
            b'"' if bytes[at..].starts_with(b"\"\"\"") => block_string(bytes, at + 3)?,
            b'"' => string(bytes, at + 1)?,
            b'.' => skip_while(bytes, at, |b| b == b'.').min(at + 3),
            b'(' | b'[' | b'{' => {
                brackets += 1;
                if brackets > MAX_BRACKETS {
                    let message = format!("more than {MAX_BRACKETS} brackets inside each other");
                    return Err(Refusal::over("brackets", MAX_BRACKETS as u64, message));
                }
                at + 1
            }
            b')' | b']' | b'}' => {
                brackets = brackets.saturating_sub(1);
                at + 1
            }
            b if word(b) => skip_while(bytes, at, word),
            _ => at + 1,
        };
        tokens += 1;
        if tokens > MAX_TOKENS {
            return Err(Refusal::over("tokens", MAX_TOKENS as u64, format!("the document has more than {MAX_TOKENS} tokens")));
        }
    }
    Ok(())
}

/// Of a name or a number.
fn word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+')
}

fn skip_while(bytes: &[u8], from: usize, fits: impl Fn(u8) -> bool) -> usize {
    bytes[from..].iter().position(|&b| !fits(b)).map_or(bytes.len(), |n| from + n)
}

fn block_string(bytes: &[u8], mut at: usize) -> Result<usize, Refusal> {
    while at < bytes.len() {
        match bytes[at] {
            0 => return Err(Refusal::nul()),
            b'\\' if bytes[at..].starts_with(b"\\\"\"\"") => at += 4,
            b'"' if bytes[at..].starts_with(b"\"\"\"") => return Ok(at + 3),
            _ => at += 1,
        }
    }
    Ok(at)
}

fn string(bytes: &[u8], mut at: usize) -> Result<usize, Refusal> {
    while at < bytes.len() {
        match bytes[at] {
            0 => return Err(Refusal::nul()),
            b'\\' if bytes[at..].starts_with(b"\\u0000") => return Err(Refusal::nul()),
            b'\\' => at += 2,
            b'"' | b'\n' | b'\r' => return Ok(at + 1),
            _ => at += 1,
        }
    }
    Ok(at)
}
