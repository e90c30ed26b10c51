//! No token is good with one character changed, lost, added or moved, and reading ends well for every text.

use super::{
    forge::{By, Token},
    *,
};

const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Every text that differs from this one by one character out of these, and by one lost, doubled or moved.
fn mutations(token: &str, others: &str) -> Vec<String> {
    let mut all = Vec::new();
    for (at, old) in token.char_indices() {
        let (before, after) = (&token[..at], &token[at + 1..]);
        all.extend(others.chars().filter(|new| *new != old).map(|new| format!("{before}{new}{after}")));
        all.push(format!("{before}{after}"));
        all.push(format!("{before}{old}{old}{after}"));
        if let Some(next) = after.chars().next().filter(|next| *next != old) {
            all.push(format!("{before}{next}{old}{}", &after[1..]));
        }
    }
    all
}

fn none_is_accepted(token: &str, others: &str, check: Check) {
    assert_eq!(check(token), Ok(()));
    let all = mutations(token, others);
    assert!(all.len() > 3 * token.len());
    for changed in all {
        assert!(check(&changed).is_err(), "{changed}");
    }
}

#[test]
fn a_token_of_a_secret_is_good_only_as_it_is() {
    none_is_accepted(&Token::signed().text(), &format!("{DIGITS}.=+/ \n\0é{{"), signed);
}

#[test]
fn an_access_token_is_good_only_as_it_is() {
    none_is_accepted(&Token::access().text(), "Aw_.=", access);
}

#[test]
fn an_assertion_is_good_only_as_it_is() {
    for (by, alg, kid) in [(By::EdDsa, "EdDSA", "ed"), (By::Rs256, "RS256", "rsa")] {
        none_is_accepted(&Token::assertion().with_key(by, alg, kid).text(), "A.", assertion);
    }
}

#[test]
fn every_beginning_of_a_token_can_be_read_without_harm() {
    let token = Token::outside().raw_claim("x", r#"{"\u00e4\n":[1.5e-3,-0,"😀",{}],"y":[[[]]]}"#);
    let (header, payload) = (token.header_json(), token.payload_json());
    let unsigned = token.clone().by(By::Bytes(vec![1; 256]));
    for at in 0..header.len() {
        assert!(Jws::parse(&unsigned.text_with_header(&header.as_bytes()[..at])).is_err());
    }
    for at in 0..payload.len() {
        assert!(Jws::parse(&unsigned.text_with_payload(&payload.as_bytes()[..at])).is_err());
    }
    let text = token.text();
    for at in 0..text.len() {
        assert!(outside(&text[..at]).is_err());
    }
}
