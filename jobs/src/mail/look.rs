//! How the portal's mails look: its name, colour and logo, as far as they are fit for a mail.

use entities::portal;
use serde::Serialize;

/// Where the portal has no colour, or one that is none.
const COLOUR: &str = "#1f4fd8";

#[derive(Debug, Serialize)]
pub struct Look<'a> {
    name: &'a str,
    colour: &'a str,
    /// What can be read on that colour.
    on_colour: &'static str,
    logo: Option<&'a str>,
    support: Option<&'a str>,
}

impl<'a> Look<'a> {
    pub fn of(portal: &'a portal::Model) -> Self {
        let colour = portal.primary_color.as_deref().filter(|text| red_green_blue(text).is_some()).unwrap_or(COLOUR);
        let web = |url: &&str| url.starts_with("https://") || url.starts_with("http://");
        Self {
            name: &portal.name,
            colour,
            on_colour: on(colour),
            logo: portal.logo_url.as_deref().filter(web),
            support: portal.support_email.as_deref(),
        }
    }
}

/// Of `#rrggbb` or `#rgb`; anything else is not a colour to a mail program.
fn red_green_blue(text: &str) -> Option<[u8; 3]> {
    let digits = text.strip_prefix('#')?;
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let part = |text: &str| u8::from_str_radix(text, 16).ok();
    match digits.len() {
        3 => Some([part(&digits[..1])? * 17, part(&digits[1..2])? * 17, part(&digits[2..])? * 17]),
        6 => Some([part(&digits[..2])?, part(&digits[2..4])?, part(&digits[4..])?]),
        _ => None,
    }
}

/// Black or white: whichever contrasts more (WCAG 2.2, relative luminance).
fn on(colour: &str) -> &'static str {
    let linear = |value: u8| {
        let value = f64::from(value) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    let [red, green, blue] = red_green_blue(colour).unwrap_or_default().map(linear);
    let luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    if luminance > 0.179 { "#000000" } else { "#ffffff" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stands_out_from_its_colour() {
        for (colour, text) in [
            ("#000", "#ffffff"),
            ("#1f4fd8", "#ffffff"),
            ("#c00000", "#ffffff"),
            ("#fff", "#000000"),
            ("#ffcc00", "#000000"),
            ("#00d084", "#000000"),
        ] {
            assert_eq!(on(colour), text, "{colour}");
        }
    }

    #[test]
    fn only_hexadecimal_colours_are_colours() {
        for wrong in ["", "red", "#12", "#12345g", "#1234567", "1f4fd8", "#fff;}", "#ä12"] {
            assert_eq!(red_green_blue(wrong), None, "{wrong}");
        }
        assert_eq!(red_green_blue("#0f8"), Some([0, 255, 136]));
    }
}
