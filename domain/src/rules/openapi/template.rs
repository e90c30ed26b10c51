//! Path templates such as `/pets/{id}`.

use std::collections::HashSet;

/// Bytes.
const MAX_LENGTH: usize = 2_000;

/// The template with its parameters' names taken out, so that two that match the same calls are equal; or what is wrong.
pub fn shape(template: &str) -> Result<String, String> {
    if !template.starts_with('/') {
        return Err("must start with a slash".to_owned());
    }
    if template.len() > MAX_LENGTH {
        return Err(format!("must have at most {MAX_LENGTH} characters"));
    }
    if template.contains(['?', '#']) {
        return Err("must not have a query or a fragment: query parameters stand under parameters".to_owned());
    }
    if template.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
        return Err("must not contain spaces, control characters or backslashes".to_owned());
    }
    let segments: Vec<_> = template[1..].split('/').collect();
    if let Some((_, inner)) = segments.split_last()
        && inner.iter().any(|segment| segment.is_empty())
    {
        return Err("must not have an empty segment".to_owned());
    }
    if segments.iter().any(|segment| matches!(*segment, "." | "..")) {
        return Err("must not have the segments . or ..".to_owned());
    }
    let (mut shape, mut names, mut rest) = (String::with_capacity(template.len()), HashSet::new(), template);
    while let Some(open) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(open);
        let name = from.strip_prefix('{').ok_or("has a } without a { before it")?;
        let (name, after) = name.split_once('}').ok_or("has a { without a } after it")?;
        if name.is_empty() {
            return Err("has a parameter without a name".to_owned());
        }
        if name.contains(['/', '{']) {
            return Err("has a { without a } after it".to_owned());
        }
        if !names.insert(name) {
            return Err(format!("names the parameter {name} twice"));
        }
        shape.push_str(before);
        shape.push_str("{}");
        rest = after;
    }
    shape.push_str(rest);
    Ok(shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        for (template, expected) in [
            ("/", "/"),
            ("/pets", "/pets"),
            ("/pets/", "/pets/"),
            ("/pets/{id}/toys/{toy}", "/pets/{}/toys/{}"),
            ("/compare/{base}...{head}", "/compare/{}...{}"),
            ("/a:cancel", "/a:cancel"),
        ] {
            assert_eq!(shape(template).as_deref(), Ok(expected));
        }
        for wrong in [
            "", "pets", "/a?b", "/a#b", "/a b", "/a\tb", "/{", "/}", "/{a", "/a}", "/{}", "/{a}/{a}", "/{{a}}", "/{a/b}", "//",
            "/a//b", "/../a", "/a/.", "/a\\b",
        ] {
            assert!(shape(wrong).is_err(), "{wrong}");
        }
    }
}
