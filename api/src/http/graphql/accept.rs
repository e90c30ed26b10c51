//! What a caller wants the answer written as (RFC 9110, section 12.5.1).

use axum::http::{HeaderMap, header::ACCEPT};

use super::status::Media;

/// What to answer with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    Answer(Media),
    /// A browser's own request: it names HTML before anything that an answer could be written as.
    Page,
    Nothing,
}

const OFFERS: [(&str, &str, Wanted); 3] = [
    // In the order in which ties are settled: `*/*` means JSON.
    ("application", "json", Wanted::Answer(Media::Json)),
    ("application", "graphql-response+json", Wanted::Answer(Media::GraphqlResponse)),
    ("text", "html", Wanted::Page),
];

/// One entry of `Accept`.
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    /// Thousandths.
    quality: u16,
}

/// The best of what is offered. No `Accept` at all means JSON.
pub fn wanted(headers: &HeaderMap) -> Wanted {
    let lines: Vec<_> = headers.get_all(ACCEPT).iter().map(|line| line.to_str().unwrap_or_default()).collect();
    let ranges: Vec<_> = lines.iter().flat_map(|line| line.split(',')).filter_map(range).collect();
    if lines.iter().all(|line| line.trim().is_empty()) {
        return Wanted::Answer(Media::Json);
    }
    let mut best = (0, false, usize::MAX, Wanted::Nothing);
    for (kind, subtype, wanted) in OFFERS {
        let Some((quality, exact, place)) = quality_of(&ranges, kind, subtype) else { continue };
        // A page only for who names it: `*/*` of a program is no wish for HTML.
        if quality == 0 || (wanted == Wanted::Page && !exact) {
            continue;
        }
        let better = quality > best.0
            || (quality == best.0 && exact && !best.1)
            || (quality == best.0 && exact == best.1 && exact && place < best.2);
        if better {
            best = (quality, exact, place, wanted);
        }
    }
    best.3
}

/// The quality that the most specific matching entry gives, whether that one is exact, and its place in the list.
fn quality_of(ranges: &[Range<'_>], kind: &str, subtype: &str) -> Option<(u16, bool, usize)> {
    let specificity = |range: &Range<'_>| {
        let (same_kind, same) = (range.kind.eq_ignore_ascii_case(kind), range.subtype.eq_ignore_ascii_case(subtype));
        match (range.kind, range.subtype) {
            _ if same_kind && same => Some(2),
            (_, "*") if same_kind => Some(1),
            ("*", "*") => Some(0),
            _ => None,
        }
    };
    let matching = ranges.iter().enumerate().filter_map(|(place, range)| Some((specificity(range)?, place, range)));
    let (specific, place, range) = matching.max_by_key(|(specific, place, _)| (*specific, std::cmp::Reverse(*place)))?;
    Some((range.quality, specific == 2, place))
}

/// `None`: not a media range; it is passed over.
fn range(entry: &str) -> Option<Range<'_>> {
    let mut parts = entry.split(';').map(str::trim);
    let (kind, subtype) = parts.next()?.split_once('/')?;
    let mut quality = 1000;
    for parameter in parts {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "q" => quality = value.trim().parse::<f32>().ok().filter(|q| (0.0..=1.0).contains(q)).map_or(1000, thousandths),
            // We write UTF-8 and nothing else.
            "charset" if !value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8") => return None,
            _ => {}
        }
    }
    Some(Range { kind, subtype, quality })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0.0 to 1.0")]
fn thousandths(quality: f32) -> u16 {
    (quality * 1000.0).round() as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_of_what_is_offered() {
        let (json, own) = (Wanted::Answer(Media::Json), Wanted::Answer(Media::GraphqlResponse));
        for (accept, expected) in [
            (None, json),
            (Some(""), json),
            (Some("*/*"), json),
            (Some("application/*"), json),
            (Some("application/json"), json),
            (Some("APPLICATION/JSON; charset=UTF-8"), json),
            (Some("application/graphql-response+json"), own),
            (Some("application/graphql-response+json, application/json;q=0.9"), own),
            (Some("application/json, application/graphql-response+json"), json),
            (Some("application/graphql-response+json, application/json"), own),
            (Some("application/graphql-response+json;q=0.5, application/json;q=0.9"), json),
            (Some("application/graphql-response+json, */*;q=0.1"), own),
            (Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), Wanted::Page),
            (Some("text/html;q=0.5, application/json"), json),
            (Some("application/json;q=0, */*"), own),
            (Some("*/*;q=0"), Wanted::Nothing),
            (Some("image/png"), Wanted::Nothing),
            (Some("application/json; charset=utf-16"), Wanted::Nothing),
            (Some("garbage"), Wanted::Nothing),
            (Some("garbage, application/json"), json),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(ACCEPT, accept.parse().unwrap());
            }
            assert_eq!(wanted(&headers), expected, "{accept:?}");
        }
    }
}
