//! Links in the head of an answer (RFC 8288, section 3): the WebSocket of the stream that a page shows.

use super::head::Head;

/// The target of the first link with the relation `alternate` (RFC 8288, section 3.3; the HTML standard) and the attribute
/// `upgrade="websocket"` (RFC 8288, section 3.4.2). h5serve's pages have it.
pub fn websocket(head: &Head) -> Option<&str> {
    head.values("link").flat_map(Links).find_map(|link| {
        let has = |name: &str, wanted: &str| {
            let value = link.params.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            value.is_some_and(|(_, value)| value.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case(wanted)))
        };
        (has("rel", "alternate") && has("upgrade", "websocket")).then_some(link.target)
    })
}

struct Link<'h> {
    target: &'h str,
    /// Names and values, without quotes.
    params: Vec<(&'h str, &'h str)>,
}

/// The links of one header. What is not understood ends them.
struct Links<'h>(&'h str);

impl<'h> Iterator for Links<'h> {
    type Item = Link<'h>;

    fn next(&mut self) -> Option<Link<'h>> {
        let rest = self.0.trim_start_matches([' ', '\t', ',']).strip_prefix('<')?;
        let (target, mut rest) = rest.split_once('>')?;
        let mut params = Vec::new();
        while let Some(param) = rest.trim_start().strip_prefix(';') {
            let end = param.find(['=', ';', ',']).unwrap_or(param.len());
            let (name, after) = param.split_at(end);
            let (value, after) = match after.strip_prefix('=').map(str::trim_start) {
                None => ("", after),
                Some(value) => match value.strip_prefix('"') {
                    Some(quoted) => quoted.split_once('"')?,
                    None => value.split_at(value.find([';', ',']).unwrap_or(value.len())),
                },
            };
            params.push((name.trim(), value.trim()));
            rest = after;
        }
        self.0 = rest;
        Some(Link { target, params })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &str) -> Option<String> {
        let head = format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n");
        websocket(&Head::read(&mut std::io::Cursor::new(head.into_bytes())).unwrap()).map(str::to_owned)
    }

    #[test]
    fn the_websocket_is_found_among_links() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(of("Link: <api/ws?src=cam>; rel=\"alternate\"; upgrade=\"websocket\""), some("api/ws?src=cam"));
        assert_eq!(of("link:<a,b;c>;UPGRADE = WebSocket ; x; Rel=\"next alternate\""), some("a,b;c"));
        assert_eq!(of("Link: </style.css>; rel=preload; title=\"a, <b>; c\", <x>; rel=alternate; upgrade=websocket"), some("x"));
        assert_eq!(of("Link: <a>; rel=next\r\nLink: <b>; rel=alternate; upgrade=websocket"), some("b"));
        for none in [
            "A: b",
            "Link: <feed>; rel=alternate; type=\"application/rss+xml\"",
            "Link: <ws>; upgrade=websocket",
            "Link: <ws; rel=alternate; upgrade=websocket",
            "Link: ws; rel=alternate; upgrade=websocket",
            "Link: <ws>; rel=\"alternate; upgrade=websocket",
            "Link: <>;;;;,,,,=\"",
        ] {
            assert_eq!(of(none), None, "{none}");
        }
    }
}
