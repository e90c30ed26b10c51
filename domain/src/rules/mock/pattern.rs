//! Regular expressions as schemas have them: matched, and texts made that match.

use regex::Regex;
use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

use super::random::Random;

/// Bytes that a compiled expression may take.
const MAX_SIZE: usize = 1 << 20;
/// What a repetition without an end adds at most.
const MOST_MORE: u32 = 3;
const MAX_TEXT: usize = 4_096;

pub fn compiled(pattern: &str) -> Option<Regex> {
    regex::RegexBuilder::new(pattern).size_limit(MAX_SIZE).build().ok()
}

/// A text that matches and has as many characters as asked for; `None` where none is found in a bounded number of tries.
pub fn sample(pattern: &str, regex: &Regex, lengths: (usize, Option<usize>), random: &mut Random) -> Option<String> {
    const TRIES: usize = 3;
    const LONGEST: usize = 128;
    let hir = regex_syntax::Parser::new().parse(pattern).ok()?;
    let (least, most) = lengths;
    let fits = |text: &str| {
        let length = text.chars().count();
        length >= least && most.is_none_or(|most| length <= most) && regex.is_match(text)
    };
    let some = std::iter::repeat_n(Repeats::Some, TRIES);
    // As short as it goes, then ever longer.
    let exact = (0..=u32::try_from(least.min(LONGEST)).unwrap_or(0)).map(Repeats::More);
    for repeats in some.chain(exact) {
        let mut text = String::new();
        write(&hir, repeats, random, &mut text);
        if fits(&text) {
            return Some(text);
        }
        // Without anchors, more of it is still a match.
        let length = text.chars().count();
        text.extend(std::iter::repeat_n('a', least.saturating_sub(length)));
        if length < least && fits(&text) {
            return Some(text);
        }
    }
    None
}

/// How often what may be repeated is, besides as often as it must.
#[derive(Debug, Clone, Copy)]
enum Repeats {
    /// By chance, and a few times at most.
    Some,
    /// This many times where it may.
    More(u32),
}

fn write(hir: &Hir, repeats: Repeats, random: &mut Random, text: &mut String) {
    if text.len() > MAX_TEXT {
        return;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => text.push_str(&String::from_utf8_lossy(&literal.0)),
        HirKind::Class(class) => text.push(character(class, random)),
        HirKind::Repetition(repetition) => repeat(repetition, repeats, random, text),
        HirKind::Capture(capture) => write(&capture.sub, repeats, random, text),
        HirKind::Concat(parts) => parts.iter().for_each(|part| write(part, repeats, random, text)),
        HirKind::Alternation(branches) => {
            if let Some(branch) = branches.get(random.index(branches.len())) {
                write(branch, repeats, random, text);
            }
        }
    }
}

fn repeat(repetition: &Repetition, repeats: Repeats, random: &mut Random, text: &mut String) {
    let room = repetition.max.map_or(u32::MAX, |most| most - repetition.min);
    let extra = match repeats {
        Repeats::Some => u32::try_from(random.below(u64::from(room.min(MOST_MORE)) + 1)).unwrap_or(0),
        Repeats::More(more) => room.min(more),
    };
    for _ in 0..repetition.min.saturating_add(extra) {
        if text.len() > MAX_TEXT {
            return;
        }
        write(&repetition.sub, repeats, random, text);
    }
}

/// A letter or digit where the class has one, else another character that prints, else its first.
fn character(class: &Class, random: &mut Random) -> char {
    let has = |c: char| match class {
        Class::Unicode(class) => class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&c)),
        Class::Bytes(class) => {
            class.ranges().iter().any(|range| u8::try_from(c).is_ok_and(|b| (range.start()..=range.end()).contains(&b)))
        }
    };
    let plain: Vec<char> = ('0'..='9').chain('a'..='z').chain('A'..='Z').filter(|c| has(*c)).collect();
    let choice = if plain.is_empty() { (' '..='~').filter(|c| has(*c)).collect() } else { plain };
    let first = || match class {
        Class::Unicode(class) => class.ranges().first().map(|range| range.start()),
        Class::Bytes(class) => class.ranges().first().map(|range| char::from(range.start())),
    };
    choice.get(random.index(choice.len())).copied().or_else(first).unwrap_or('?')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_matches() {
        for (pattern, least, most) in [
            ("^[A-Z]{3}-\\d{4}$", 0, None),
            ("^\\+?[1-9]\\d{1,14}$", 0, None),
            ("^[a-z0-9]+(-[a-z0-9]+)*$", 12, Some(20)),
            ("^(draft|live)$", 0, None),
            ("[0-9a-f]{40}", 40, Some(40)),
            ("^\\w+\\.\\w+$", 3, Some(10)),
            ("abc", 8, None),
            ("^.{5,}$", 9, Some(9)),
            ("^[^/]+\\/[^/]+$", 0, None),
            ("^#(?:[0-9a-fA-F]{3}){1,2}$", 0, None),
        ] {
            let regex = compiled(pattern).unwrap();
            for seed in 0..20 {
                let text = sample(pattern, &regex, (least, most), &mut Random::new(seed));
                let text = text.unwrap_or_else(|| panic!("{pattern}: nothing"));
                assert!(regex.is_match(&text) && text.chars().count() >= least, "{pattern}: {text}");
                assert!(most.is_none_or(|most| text.chars().count() <= most), "{pattern}: {text}");
            }
        }
    }

    #[test]
    fn what_cannot_be_made() {
        assert!(compiled("^(?!x)").is_none(), "a look ahead");
        let regex = compiled("^a{3}$").unwrap();
        assert_eq!(sample("^a{3}$", &regex, (5, None), &mut Random::new(0)), None);
    }
}
