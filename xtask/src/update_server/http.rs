//! As much of HTTP/1.1 (RFC 9112) as clients need to fetch a file: one request on a connection.

/// What a request wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Get,
    Head,
    Other,
}

/// The parts of a request that matter here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub method: Method,
    /// The path without the first slash, and without a query.
    pub name: String,
}

/// What ends the head of a request or an answer.
pub const END_OF_HEAD: &[u8] = b"\r\n\r\n";

impl Request {
    /// Reads the first line of `head`. None if it is not a request.
    pub fn parse(head: &str) -> Option<Self> {
        let mut words = head.lines().next()?.split(' ');
        let (method, target, version) = (words.next()?, words.next()?, words.next()?);
        let path = target.split(['?', '#']).next()?.strip_prefix('/')?;
        (version.starts_with("HTTP/1.") && words.next().is_none()).then(|| Request {
            method: match method {
                "GET" => Method::Get,
                "HEAD" => Method::Head,
                _ => Method::Other,
            },
            name: path.to_string(),
        })
    }
}

/// The head of an answer with `length` bytes of content.
pub fn head(status: u16, length: u64) -> String {
    let reason = match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        // Clients do not read it.
        _ => "Refused by the Test",
    };
    format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: application/octet-stream\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_request() {
        let request = |head: &str| Request::parse(head).map(|r| (r.method, r.name));
        let named = |method, name: &str| Some((method, name.to_string()));
        assert_eq!(
            request("GET /SHA256SUMS HTTP/1.1\r\nHost: 192.0.2.81\r\n\r\n"),
            named(Method::Get, "SHA256SUMS")
        );
        assert_eq!(
            request("HEAD /a_b.efi?x=/y HTTP/1.0\r\n\r\n"),
            named(Method::Head, "a_b.efi")
        );
        assert_eq!(request("POST / HTTP/1.1\r\n\r\n"), named(Method::Other, ""));
        for other in [
            "",
            "GET\r\n",
            "GET /x\r\n",
            "GET x HTTP/1.1\r\n",
            "GET /x HTTP/2\r\n",
            "GET /x y HTTP/1.1\r\n",
            "\u{16}\u{3}\u{1}",
        ] {
            assert_eq!(request(other), None, "{other:?}");
        }
    }

    #[test]
    fn an_answer_ends_with_its_connection() {
        let head = head(404, 12);
        assert!(head.starts_with("HTTP/1.1 404 Not Found\r\n"), "{head}");
        assert!(head.contains("\r\nContent-Length: 12\r\n"), "{head}");
        assert!(head.contains("\r\nConnection: close\r\n"), "{head}");
        assert!(head.as_bytes().ends_with(END_OF_HEAD));
    }
}
