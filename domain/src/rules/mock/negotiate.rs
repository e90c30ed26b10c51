//! Media types: which of the offered ones a caller wants, and which of the taken ones a body is.

/// `type/subtype` in lower case, without parameters.
pub fn essence(kind: &str) -> String {
    kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

pub fn is_json(kind: &str) -> bool {
    let essence = essence(kind);
    essence.ends_with("/json") || essence.ends_with("+json") || essence == "*/*" || essence == "application/*"
}

pub fn is_xml(kind: &str) -> bool {
    let essence = essence(kind);
    essence.ends_with("/xml") || essence.ends_with("+xml")
}

/// Whether a range (`text/*`) covers a type, or is it.
pub fn covers(range: &str, kind: &str) -> bool {
    let (range, kind) = (essence(range), essence(kind));
    range == "*/*" || range == kind || range.strip_suffix("/*").is_some_and(|family| kind.split('/').next() == Some(family))
}

/// The offered ones in the order in which the caller wants them, JSON first where all are the same to it. One that accepts none
/// of them is given what there is, as RFC 9110 section 12.4.1 allows.
pub fn order(offered: &[&str], accept: Option<&str>) -> Vec<usize> {
    let wishes = wishes(accept.unwrap_or("*/*"));
    // The most specific range that covers it counts.
    let quality = |kind: &str| {
        let covering = wishes.iter().filter(|(range, _)| covers(range, kind) || covers(kind, range));
        covering.min_by_key(|(range, _)| range.matches('*').count()).map_or(0, |(_, quality)| *quality)
    };
    let mut order: Vec<usize> = (0..offered.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(quality(offered[i])), !is_json(offered[i])));
    if order.iter().any(|&i| quality(offered[i]) > 0) {
        order.retain(|&i| quality(offered[i]) > 0);
    }
    order
}

/// What an offered type is told as: a range becomes the caller's type that it covers, or the plainest one.
pub fn concrete(offered: &str, accept: Option<&str>) -> String {
    if !offered.contains('*') {
        return offered.to_owned();
    }
    let wishes = wishes(accept.unwrap_or_default());
    let wanted = wishes.into_iter().filter(|(range, quality)| *quality > 0 && !range.contains('*') && covers(offered, range));
    let plainest = if essence(offered) == "text/*" { "text/plain" } else { "application/json" };
    wanted.max_by_key(|(_, quality)| *quality).map_or_else(|| plainest.to_owned(), |(kind, _)| kind)
}

/// Ranges with their quality in thousandths.
fn wishes(accept: &str) -> Vec<(String, u32)> {
    let wish = |part: &str| {
        let quality =
            part.split(';').skip(1).find_map(|p| p.trim().strip_prefix("q=")?.trim().parse::<f32>().ok()).unwrap_or(1.0);
        (essence(part), (quality.clamp(0.0, 1.0) * 1_000.0) as u32)
    };
    accept.split(',').filter(|part| part.contains('/')).map(wish).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_chooses() {
        let offered = ["application/xml", "application/json", "text/plain; charset=utf-8", "application/problem+json"];
        for (accept, first) in [
            (None, 1),
            (Some("*/*"), 1),
            (Some("application/xml"), 0),
            (Some("text/*"), 2),
            (Some("text/plain;q=0.5, application/xml;q=0.9, */*;q=0.1"), 0),
            (Some("application/problem+json, application/json;q=0.9"), 3),
            (Some("application/json;q=0, */*"), 3),
            (Some("image/png"), 1),
            (Some("nonsense"), 1),
        ] {
            assert_eq!(order(&offered, accept).first(), Some(&first), "{accept:?}");
        }
        assert_eq!(order(&offered, Some("application/xml, text/plain;q=0.2")), [0, 2]);
        assert_eq!(order(&["*/*"], Some("image/png")), [0]);
    }

    #[test]
    fn a_range_becomes_a_type() {
        for (offered, accept, told) in [
            ("application/json; v=1", Some("text/html"), "application/json; v=1"),
            ("*/*", None, "application/json"),
            ("text/*", None, "text/plain"),
            ("text/*", Some("text/csv, text/html;q=0.5"), "text/csv"),
            ("image/*", Some("image/png"), "image/png"),
        ] {
            assert_eq!(concrete(offered, accept), told);
        }
    }
}
