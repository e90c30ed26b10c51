//! Texts that are no compact JWS of JSON objects, or are one in a way that could be read in two.

use super::{
    super::forge::{By, Token, join},
    *,
};

/// A token and what may be done to its text.
fn good() -> String {
    Token::assertion().with_key(By::EdDsa, "EdDSA", "ed").text()
}

/// The last of these base64url digits with a bit set that no byte has.
fn stray_bit(part: &str) -> String {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    assert_ne!(part.len() % 4, 0);
    let (rest, last) = part.split_at(part.len() - 1);
    let value = DIGITS.find(last).unwrap();
    format!("{rest}{}", &DIGITS[value + 1..value + 2])
}

pub fn cases() -> Vec<Case> {
    [shapes(), encodings(), json_texts(), doubled()].into_iter().flatten().collect()
}

fn shapes() -> Vec<Case> {
    let good = good();
    let parts: Vec<&str> = good.split('.').collect();
    let [header, payload, signature] = parts[..] else { panic!("three parts") };
    let flattened = json!({ "protected": header, "payload": payload, "signature": signature }).to_string();
    let general = json!({ "payload": payload, "signatures": [{ "protected": header, "signature": signature }] }).to_string();
    vec![
        case("empty", assertion, "", "Malformed"),
        case("one dot", assertion, ".", "Malformed"),
        case("two dots", assertion, "..", "Malformed"),
        case("no dots", assertion, good.replace('.', ""), "Malformed"),
        case("header alone", assertion, header, "Malformed"),
        case("no signature, no dot for it", assertion, format!("{header}.{payload}"), "Malformed"),
        case("no signature", assertion, format!("{header}.{payload}."), "SignatureWrong"),
        case("no payload", assertion, format!("{header}..{signature}"), "Malformed"),
        case("no header", assertion, format!(".{payload}.{signature}"), "Malformed"),
        case("dot in front", assertion, format!(".{good}"), "Malformed"),
        case("dot behind", assertion, format!("{good}."), "Malformed"),
        case("a fourth part", assertion, format!("{good}.{signature}"), "Malformed"),
        case("encrypted (JWE)", assertion, format!("{header}.{payload}.{signature}.{payload}.{signature}"), "Malformed"),
        case("JSON serialisation, flattened", assertion, flattened, "Malformed"),
        case("JSON serialisation, general", assertion, general, "Malformed"),
        case("with its scheme", assertion, format!("Bearer {good}"), "Malformed"),
        case("in quotes", assertion, format!("\"{good}\""), "Malformed"),
        case("twice with a comma", assertion, format!("{good},{good}"), "Malformed"),
        case("16 KiB and a byte", assertion, format!("{good:x<16385}"), "TooLarge"),
        case("64 KiB", assertion, "a".repeat(65_536), "TooLarge"),
        case("16 KiB of dots", assertion, ".".repeat(16_384), "Malformed"),
    ]
}

fn encodings() -> Vec<Case> {
    let good = good();
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    // Whole groups of four have no stray bits: these have none.
    let odd = Token::assertion().with_key(By::EdDsa, "EdDSA", "ed").claim("jti", "ones");
    let odd = [odd.clone(), odd.claim("jti", "twos!")].into_iter().find(|token| encode(token.payload_json()).len() % 4 != 0);
    let odd = stray_bit(&encode(odd.unwrap().payload_json()));
    let rsa = Token::assertion().with_key(By::Rs256, "RS256", "rsa").text();
    assert!(rsa.contains(['-', '_']));
    let standard = rsa.replace('-', "+").replace('_', "/");
    vec![
        case("space in front", assertion, format!(" {good}"), "Malformed"),
        case("line end behind", assertion, format!("{good}\n"), "Malformed"),
        case("line end inside", assertion, format!("{header}.{}\r\n{}.{signature}", &payload[..8], &payload[8..]), "Malformed"),
        case("space in the signature", assertion, format!("{signed}.{} {}", &signature[..8], &signature[8..]), "Malformed"),
        case("NUL behind", assertion, format!("{good}\0"), "Malformed"),
        case("padded header", assertion, join(&By::EdDsa, &format!("{header}="), payload), "Malformed"),
        case("padded signature", assertion, format!("{good}=="), "Malformed"),
        case("standard alphabet", assertion, standard, "Malformed"),
        case("stray bits in the signature", assertion, format!("{signed}.{}", stray_bit(signature)), "Malformed"),
        case("stray bits in the payload, signed", assertion, join(&By::EdDsa, header, &odd), "Malformed"),
        case("a digit too few", assertion, format!("{signed}.{}", &signature[..85]), "Malformed"),
        case("percent-encoded", assertion, good.replace('.', "%2E"), "Malformed"),
        case("encoded twice", assertion, join(&By::EdDsa, &encode(header), &encode(payload)), "Malformed"),
        case("letters beyond ASCII", assertion, format!("{signed}.é{signature}"), "Malformed"),
        case("a full-width dot", assertion, good.replacen('.', "\u{ff0e}", 1), "Malformed"),
        case("digits that look alike", assertion, good.replacen('e', "\u{435}", 1), "Malformed"),
    ]
}

fn json_texts() -> Vec<Case> {
    let token = Token::assertion();
    let header = |bytes: &[u8]| Token::assertion().text_with_header(bytes);
    let payload = |bytes: &[u8]| Token::assertion().text_with_payload(bytes);
    let claims = token.payload_json();
    let utf16: Vec<u8> = claims.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let bad = |name, token| case(name, assertion, token, "Malformed");
    let claim = |json| Token::assertion().raw_claim("other", json).text();
    vec![
        bad("header: not JSON", header(b"alg=ES256")),
        bad("header: a list", header(br#"[{"alg":"ES256"}]"#)),
        bad("header: a text", header(br#""ES256""#)),
        bad("header: null", header(b"null")),
        bad("header: something behind it", header(br#"{"alg":"ES256","kid":"ec"} {}"#)),
        bad("header: in single quotes", header(b"{'alg':'ES256'}")),
        bad("header: a comma too many", header(br#"{"alg":"ES256",}"#)),
        bad("header: not UTF-8", header(b"{\"alg\":\"ES256\",\"x\":\"\xff\"}")),
        bad("header: a byte order mark", header("\u{feff}{\"alg\":\"ES256\"}".as_bytes())),
        bad("payload: plain text", payload(b"hello")),
        bad("payload: a list", payload(format!("[{claims}]").as_bytes())),
        bad("payload: a number", payload(b"1")),
        bad("payload: null", payload(b"null")),
        bad("payload: two objects", payload(format!("{claims}{claims}").as_bytes())),
        bad("payload: with a comment", payload(format!("{claims}//").as_bytes())),
        bad("payload: UTF-16", payload(&utf16)),
        bad("payload: overlong UTF-8", payload(b"{\"iss\":\"\xc0\xaf\"}")),
        bad("payload: a surrogate in UTF-8", payload(b"{\"iss\":\"\xed\xa0\x80\"}")),
        bad("payload: half a surrogate pair", claim(r#""\ud800""#)),
        bad("payload: half a surrogate pair as a name", payload(br#"{"\udc00":1}"#)),
        bad("payload: a control character", claim("\"\u{1}\"")),
        bad("payload: NaN", claim("NaN")),
        bad("payload: a number too large", claim("1e999")),
        bad("payload: a leading zero", claim("01")),
        bad("payload: nested 200 deep", claim(&format!("{}{}", "[".repeat(200), "]".repeat(200)))),
        bad("payload: nested without an end", payload("[".repeat(9_000).as_bytes())),
    ]
}

fn doubled() -> Vec<Case> {
    let good = Token::assertion;
    let bad = |name, token: Token| case(name, assertion, token.text(), "DuplicateMember");
    vec![
        bad("alg twice", good().more_header("alg", "none")),
        bad("kid twice, the same", good().more_header("kid", "ec")),
        bad("exp twice", good().more_claim("exp", 1)),
        bad("sub twice", good().more_claim("sub", "client_01k0000000000000000000000b")),
        bad("aud twice, the same", good().more_claim("aud", ISSUER)),
        bad("exp twice, once with escapes", good().more_claim("\\u0065xp", 1)),
        bad("a claim twice that nobody asks for", good().more_claim("x", 1).more_claim("x", 1)),
        bad("cnf with jkt twice", good().raw_claim("cnf", r#"{"jkt":"a","jkt":"b"}"#)),
        bad("twice, deep inside", good().raw_claim("x", r#"[1,{"y":{"z":1,"z":2}}]"#)),
    ]
}
