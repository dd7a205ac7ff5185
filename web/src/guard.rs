//! Which requests are answered. Every page that the user visits can reach a server on this machine, and so can everybody on its
//! network.

use std::net::IpAddr;

use crate::query::Query;

/// Name of the cookie that holds the token.
const COOKIE: &str = "fmr-token";

/// What a server accepts.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    /// Port that it listens on.
    pub port: u16,
    /// Whether it listens on this machine's own address alone.
    pub loopback: bool,
    /// Further hosts, as browsers name them: behind a proxy, in a notebook.
    pub hosts: Vec<String>,
    /// What an asker must know, where the server is open to others.
    pub token: Option<String>,
}

/// Headers that decide.
#[derive(Debug, Clone, Default)]
pub(crate) struct Headers<'h> {
    /// `Host`.
    pub host: Option<&'h str>,
    /// `Origin`.
    pub origin: Option<&'h str>,
    /// `Cookie`.
    pub cookie: Option<&'h str>,
    /// `Sec-Fetch-Site`.
    pub site: Option<&'h str>,
}

/// How the server responds to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It is answered.
    Answer,
    /// The token in the address is right: it moves into a cookie, and the browser asks anew without it.
    Remember(String),
    /// It is refused with a status and a sentence.
    Refuse(u16, &'static str),
}

impl Guard {
    /// Whether a request is answered.
    pub(crate) fn decide(&self, headers: &Headers<'_>, query: &Query, posts: bool) -> Decision {
        // A name that an attacker lets point to this machine is refused: its page would read what is served.
        if !headers.host.is_some_and(|host| self.is_host(host)) {
            let problem = "this server does not answer under that name; `--allow-host` adds one";
            return Decision::Refuse(421, problem);
        }
        if posts && !self.is_own(headers) {
            return Decision::Refuse(403, "a page of a different server may not send anything here");
        }
        let Some(token) = &self.token else { return Decision::Answer };
        if let Some(given) = query.get("token") {
            return match same(given, token) {
                true => Decision::Remember(format!("{COOKIE}={token}; HttpOnly; SameSite=Strict; Path=/")),
                false => Decision::Refuse(403, "the token in this address is not the server's"),
            };
        }
        let cookies = headers.cookie.unwrap_or_default().split(';').map(str::trim);
        let known = cookies.filter_map(|cookie| cookie.strip_prefix(COOKIE)?.strip_prefix('='));
        match known.into_iter().any(|given| same(given, token)) {
            true => Decision::Answer,
            false => Decision::Refuse(403, "open the address that the server printed: it has a token"),
        }
    }

    fn is_host(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        if self.hosts.iter().any(|known| known.eq_ignore_ascii_case(&host)) {
            return true;
        }
        let Some(name) = host.strip_suffix(&format!(":{}", self.port)) else { return false };
        let literal = name.trim_start_matches('[').trim_end_matches(']');
        match literal.parse::<IpAddr>() {
            // An address that is written out cannot be made to point here. Beyond this machine any of its own will do.
            Ok(address) => address.is_loopback() || !self.loopback,
            Err(_) => name == "localhost",
        }
    }

    /// Whether what is sent comes from a page of this server.
    fn is_own(&self, headers: &Headers<'_>) -> bool {
        let host = headers.host.unwrap_or_default();
        let origin = headers.origin.is_none_or(|origin| {
            let name = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
            name.is_some_and(|name| name.eq_ignore_ascii_case(host))
        });
        origin && headers.site.is_none_or(|site| site == "same-origin" || site == "none")
    }
}

/// Compares without telling by the time how much is right.
pub(crate) fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(token: Option<&str>) -> Guard {
        let token = token.map(str::to_owned);
        Guard { port: 8080, loopback: token.is_none(), hosts: vec!["lab.example:443".to_owned()], token }
    }

    fn host(host: &str) -> Headers<'_> {
        Headers { host: Some(host), ..Headers::default() }
    }

    #[test]
    fn names_that_others_can_turn_here_are_refused() {
        let decide = |name: &str| guard(None).decide(&host(name), &Query::default(), false);
        for known in ["127.0.0.1:8080", "localhost:8080", "LOCALHOST:8080", "[::1]:8080", "lab.example:443"] {
            assert_eq!(decide(known), Decision::Answer, "{known}");
        }
        for foreign in ["evil.example:8080", "127.0.0.1", "127.0.0.1:81", "10.0.0.1:8080", "localhost.evil:8080", ""] {
            assert!(matches!(decide(foreign), Decision::Refuse(421, _)), "{foreign}");
        }
        assert!(matches!(guard(None).decide(&Headers::default(), &Query::default(), false), Decision::Refuse(421, _)));
    }

    #[test]
    fn other_pages_cannot_post() {
        let decide = |origin: Option<&'static str>, site| {
            let headers = Headers { origin, site, ..host("localhost:8080") };
            guard(None).decide(&headers, &Query::default(), true)
        };
        assert_eq!(decide(None, None), Decision::Answer);
        assert_eq!(decide(Some("http://localhost:8080"), Some("same-origin")), Decision::Answer);
        for origin in ["http://evil.example", "null", "http://localhost:80", "http://127.0.0.1:8080", "localhost:8080"]
        {
            assert!(matches!(decide(Some(origin), None), Decision::Refuse(403, _)), "{origin}");
        }
        assert!(matches!(decide(None, Some("cross-site")), Decision::Refuse(403, _)));
    }

    #[test]
    fn a_server_that_others_reach_wants_its_token() {
        let open = guard(Some("s3cret"));
        let with = |cookie| Headers { cookie, ..host("10.1.2.3:8080") };
        let ask = |cookie, query: &str| open.decide(&with(cookie), &Query::parse(query), false);
        assert!(matches!(ask(None, ""), Decision::Refuse(403, _)));
        assert!(matches!(ask(None, "token=wrong1"), Decision::Refuse(403, _)));
        assert!(matches!(ask(Some("fmr-token=s3cre"), ""), Decision::Refuse(403, _)));
        assert_eq!(ask(Some("a=b; fmr-token=s3cret"), ""), Decision::Answer);
        let Decision::Remember(cookie) = ask(None, "token=s3cret") else { unreachable!("the token is right") };
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"));
    }
}
