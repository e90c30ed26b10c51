//! Which device a session is on, as its owner would call it.

/// What a user agent has in it, and what it is called; the first that is found counts, as most pretend to be those below them.
const BROWSERS: [(&str, &str); 11] = [
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Version/", "Safari"),
];

const SYSTEMS: [(&str, &str); 8] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
    ("X11", "Unix"),
];

/// What programs name themselves at the beginning.
const PROGRAMS: [(&str, &str); 12] = [
    ("curl/", "curl"),
    ("Wget/", "Wget"),
    ("HTTPie/", "HTTPie"),
    ("PostmanRuntime/", "Postman"),
    ("insomnia/", "Insomnia"),
    ("bruno-runtime/", "Bruno"),
    ("python-requests/", "Python"),
    ("python-httpx/", "Python"),
    ("Go-http-client/", "Go"),
    ("okhttp/", "OkHttp"),
    ("axios/", "Node.js"),
    ("node", "Node.js"),
];

/// "Firefox on Linux", "Chrome", "curl"; `None` for what is not known.
pub fn device(user_agent: &str) -> Option<String> {
    if let Some((_, program)) = PROGRAMS.iter().find(|(start, _)| user_agent.starts_with(start)) {
        return Some((*program).to_owned());
    }
    let found = |table: &[(&str, &'static str)]| table.iter().find(|(part, _)| user_agent.contains(part)).map(|(_, name)| *name);
    // What is no browser may have any of these words in it.
    let browser = found(&BROWSERS).filter(|_| user_agent.starts_with("Mozilla/"))?;
    Some(match found(&SYSTEMS) {
        Some(system) => format!("{browser} on {system}"),
        None => browser.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_called_as_people_call_them() {
        let webkit = "AppleWebKit/537.36 (KHTML, like Gecko)";
        let chrome = |system: &str, rest: &str| format!("Mozilla/5.0 ({system}) {webkit} Chrome/141.0.0.0{rest} Safari/537.36");
        for (user_agent, expected) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0".to_owned(), "Firefox on Linux"),
            ("Mozilla/5.0 (Android 15; Mobile; rv:143.0) Gecko/143.0 Firefox/143.0".to_owned(), "Firefox on Android"),
            (chrome("Windows NT 10.0; Win64; x64", ""), "Chrome on Windows"),
            (chrome("Windows NT 10.0; Win64; x64", " Edg/141.0"), "Edge on Windows"),
            (chrome("Windows NT 10.0; Win64; x64", " OPR/120.0"), "Opera on Windows"),
            (chrome("Linux; Android 10; K", " Mobile"), "Chrome on Android"),
            (chrome("Linux; Android 14; SM-S911B", " SamsungBrowser/28.0 Mobile"), "Samsung Internet on Android"),
            (chrome("X11; CrOS x86_64 14541.0.0", ""), "Chrome on ChromeOS"),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Safari/605.1.15"
                    .to_owned(),
                "Safari on macOS",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1"
                    .to_owned(),
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/143.0 Mobile/15E148 Safari/605.1.15"
                    .to_owned(),
                "Firefox on iPad",
            ),
            ("Mozilla/5.0 Firefox/143.0".to_owned(), "Firefox"),
            ("curl/8.15.0".to_owned(), "curl"),
            ("python-requests/2.32.5".to_owned(), "Python"),
            ("node".to_owned(), "Node.js"),
            ("Mozilla/5.0 (compatible; somebot/1.0)".to_owned(), "-"),
            ("my tool, not Firefox/1".to_owned(), "-"),
            (String::new(), "-"),
        ] {
            assert_eq!(device(&user_agent).as_deref().unwrap_or("-"), expected, "{user_agent}");
        }
    }
}
