//! Who asks: the one place in which every request is judged by its credentials, before any route sees it. A route that needs something takes the
//! [`Visitor`] that only this makes.
//!
//! Credentials come, in this order: a link in the path (`/t/TOKEN/…`) or the query (`?token=`), an Authorization header, the cookie of a session. The
//! first that is there counts.

use super::access::Granted;
use super::answer::{Answer, BUSY, NO_STORE, Refusal, respond};
use super::body::Reply;
use super::event_stream::Rights;
use super::head::{self, SingleHeader};
use super::login_page::{self, Why};
use super::request::Request;
use super::routes::Route;
use crate::access::{Credentials, Denied, Grants, Judgement, LinkError, Need, Now, Right, Subject};
use crate::serve::access::{Access, Authorization, Busy};
use crate::serve::net::socket::Peer;
use crate::serve::outside::{Question, Verdict};
use crate::serve::state::ServerState;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
/// By which a CDN shows that it is the one.
const CDN_SECRET: HeaderName = HeaderName::from_static("h5live-cdn-secret");
/// What a proxy adds to what it passes on.
const FORWARDED: [HeaderName; 4] =
    [header::FORWARDED, header::VIA, HeaderName::from_static("x-forwarded-for"), HeaderName::from_static("x-real-ip")];
const STRANGER: Refusal = Refusal(
    StatusCode::FORBIDDEN,
    "only programs on this machine may publish; start h5serve with --users or --link-key, or with --public --publish-public",
);
const FOREIGN: Refusal = Refusal(StatusCode::FORBIDDEN, "not from a page of another origin");
const NOBODY_RECORDS: Refusal = Refusal(
    StatusCode::FORBIDDEN,
    "who may record is not known here: start h5serve with --users or --link-key, or use PUT /record on --control",
);
const BEARER: HeaderValue = HeaderValue::from_static("Bearer realm=\"h5live\"");
const BASIC: HeaderValue = HeaderValue::from_static("Basic realm=\"h5live\", charset=\"UTF-8\"");

/// Who has been let in.
#[derive(Debug)]
pub struct Visitor {
    /// `None`: it was not asked.
    subject: Option<Subject>,
    /// The number of changes of the rules before it was let in.
    changes: u64,
    /// The token of a link that was good, and that stood in the query.
    link: Option<String>,
}

impl Visitor {
    /// The name of the user or program, if it has one.
    pub fn user(&self) -> Option<&str> {
        match &self.subject {
            Some(Subject::User { name, .. }) => Some(name),
            _ => None,
        }
    }

    /// It is a CDN, which gives others what it gets.
    pub fn is_cache(&self) -> bool {
        matches!(self.subject, Some(Subject::Cdn))
    }

    /// Whether the stream of this name may be seen.
    pub fn may_see(&self, stream: &str) -> bool {
        self.subject.as_ref().is_some_and(|subject| subject.may(Right::View, stream))
    }

    /// What it holds while it watches a stream.
    pub fn authorization(&self, access: &Access, stream: &str) -> Option<Authorization> {
        self.subject.clone().map(|subject| access.authorization(subject, Right::View, stream, self.changes))
    }

    /// What it holds while it watches what was before, if it may.
    pub fn rewind_authorization(&self, access: &Access, stream: &str) -> Option<Authorization> {
        let subject = self.subject.clone().filter(|subject| subject.may(Right::Rewind, stream))?;
        Some(access.authorization(subject, Right::Rewind, stream, self.changes))
    }

    /// What it holds while it sends a stream.
    pub fn publishing(&self, access: &Access, stream: &str) -> Option<Authorization> {
        self.subject.clone().map(|subject| access.authorization(subject, Right::Publish, stream, self.changes))
    }

    /// What it may do, at any time.
    pub fn rights(&self, access: &Access) -> Rights {
        let (subject, access) = (self.subject.clone(), access.clone());
        Box::new(move |right, stream| {
            let may = |subject: &Subject| subject.may(right, stream) && access.judge().still(subject, right, stream, Now::system()).is_ok();
            subject.as_ref().is_some_and(may)
        })
    }

    /// A link that a page would lose: what it asks for has no such query.
    pub fn link_in_query(&self) -> Option<&str> {
        self.link.as_deref()
    }
}

/// Judges a request: who it is from, and whether that one may have what it needs. `link`: a token in its path.
///
/// # Errors
/// The answer that it gets in place of what it asked for.
pub async fn admit(
    state: &ServerState,
    request: &Request,
    granted: &Granted,
    link: Option<&str>,
    route: &Route<'_>,
    stream: Option<&str>,
) -> Result<Visitor, Answer> {
    let (access, need) = (&state.access, route.need(stream));
    // Nothing is looked at that is not needed: no password is checked for a file of the player.
    if need == Need::Nothing || request.head.method == Method::OPTIONS {
        return Ok(Visitor { subject: None, changes: 0, link: None });
    }
    let changes = access.judge().changes();
    // A query that is not understood has no token.
    let query = request.query("token").ok().flatten().filter(|_| link.is_none());
    let headers = &request.head.headers;
    let rules = access.judge().rules();
    let shown = match SingleHeader::of(headers, CDN_SECRET) {
        SingleHeader::Text(secret) if route.is_cacheable() && !rules.cdn.is_empty() => Credentials::Cdn(secret),
        _ => shown(headers, granted, link.or(query.as_deref())),
    };
    // Links are, where there are keys to judge them by.
    let is_judged_here = match shown {
        Credentials::Cdn(_) => true,
        Credentials::Link(_) => !rules.keys.is_empty(),
        _ => false,
    };
    let who = match access.has_outside() && !is_judged_here {
        true => outside_judgement(state, request, &shown, need, matches!(route, Route::WebSocket)).await?,
        false => access.identify(shown, request.peer.ip()).await.map_err(|Busy| Answer::from(BUSY))?,
    };
    let judgement = match (need, &who) {
        (Need::Stream(Right::Publish, _), Ok(Subject::Anybody)) if may_anybody_publish(state, request) => Judgement::Allowed,
        (Need::Stream(Right::Publish, _), Ok(Subject::Anybody)) => return Err(STRANGER.into()),
        (Need::Stream(Right::Record, _), Ok(Subject::Anybody)) => return Err(NOBODY_RECORDS.into()),
        _ => Judgement::of(&who, need),
    };
    match (judgement, who) {
        (Judgement::Allowed, Ok(subject)) => {
            let link = query.filter(|_| matches!(subject, Subject::Link(..))).map(|token| token.into_owned());
            Ok(Visitor { subject: Some(subject), changes, link })
        }
        (judgement, _) => Err(refuse(access, request, granted, judgement)),
    }
}

/// Where nobody is asked who it is: a program on this machine, and no proxy in its place that is not known to be one.
fn may_anybody_publish(state: &ServerState, request: &Request) -> bool {
    // Where nobody may, the route says so.
    let Some(publishing) = &state.publishing else { return true };
    let is_forwarded = FORWARDED.iter().any(|name| request.head.headers.contains_key(name));
    let is_here = match request.peer {
        Peer::Tcp(address) => address.ip().to_canonical().is_loopback() && !request.by_proxy && !is_forwarded,
        Peer::Local => !request.by_proxy && !is_forwarded,
        Peer::Forwarded(address) => address.to_canonical().is_loopback(),
    };
    publishing.public || is_here && !state.access.judge().rules().public
}

/// Whom a service outside lets in: to the stream that is asked for, or to all that it allows. `rewinds`: who may see the stream may ask for what was before
/// on the same connection.
async fn outside_judgement(
    state: &ServerState,
    request: &Request,
    shown: &Credentials<'_>,
    need: Need<'_>,
    rewinds: bool,
) -> Result<Result<Subject, Denied>, Answer> {
    let (user, password, token) = match shown {
        Credentials::Password { name, password } => (&**name, &**password, ""),
        Credentials::Token(token) | Credentials::Link(token) => ("", "", *token),
        _ => ("", "", ""),
    };
    let ask = async |right: Right, stream: &str| {
        let question = Question {
            action: &right.to_string(),
            stream,
            method: request.head.method.as_str(),
            path: &request.path,
            query: request.head.uri.query().unwrap_or_default(),
            address: request.peer.ip().map(|address| address.to_string()).unwrap_or_default(),
            user,
            password,
            token,
            cookie: request.given(header::COOKIE).text().unwrap_or_default(),
        };
        state.access.ask_outside(&question).await
    };
    let (right, streams) = match need {
        Need::Stream(right, name) => (right, vec![name.to_owned()]),
        _ => (Right::View, state.names()),
    };
    let rewound = async {
        match need {
            Need::Stream(Right::View, name) if rewinds && ask(Right::Rewind, name).await == Verdict::Allowed => vec![name.to_owned()],
            _ => Vec::new(),
        }
    };
    let seen = async {
        let (mut allowed, mut refused) = (Vec::new(), Denied::Missing);
        for stream in streams {
            match ask(right, &stream).await {
                Verdict::Allowed => allowed.push(stream),
                Verdict::NeedsCredentials if matches!(shown, Credentials::None | Credentials::Session(_)) => {}
                Verdict::NeedsCredentials => refused = Denied::Wrong,
                Verdict::Forbidden => refused = Denied::Forbidden,
                Verdict::Unknown => return Err(Refusal(StatusCode::SERVICE_UNAVAILABLE, "it is not known now who may watch")),
            }
        }
        Ok((allowed, refused))
    };
    // One of them waits for the other, and the viewer for neither of them twice.
    let (seen, rewound) = tokio::join!(seen, rewound);
    let (allowed, refused) = seen?;
    match allowed.is_empty() {
        true => Ok(Err(refused)),
        false => Ok(Ok(Subject::Outside(Grants::to(right, allowed).and(Right::Rewind, rewound)))),
    }
}

fn shown<'a>(headers: &'a HeaderMap, granted: &Granted, link: Option<&'a str>) -> Credentials<'a> {
    if let Some(token) = link {
        return Credentials::Link(token);
    }
    match SingleHeader::of(headers, header::AUTHORIZATION) {
        SingleHeader::Text(value) => Credentials::of_authorization(value),
        SingleHeader::Unreadable => Credentials::Unreadable,
        SingleHeader::Absent => {
            session(headers, granted).filter(|_| granted.is_own() && is_own_page(headers)).map_or(Credentials::None, Credentials::Session)
        }
    }
}

/// A browser sends a cookie with what pages of the same site ask for too, on another port for example: those are not our own.
fn is_own_page(headers: &HeaderMap) -> bool {
    let navigates = SingleHeader::of(headers, SEC_FETCH_MODE) == SingleHeader::Text("navigate");
    match SingleHeader::of(headers, SEC_FETCH_SITE) {
        SingleHeader::Absent => true,
        SingleHeader::Text(site) => matches!(site, "same-origin" | "none") || navigates,
        SingleHeader::Unreadable => false,
    }
}

/// What changes something is for tools and our own pages.
///
/// # Errors
/// A page of another origin asks, or one of another port.
pub fn refuse_foreign_page(request: &Request, granted: &Granted) -> Result<(), Refusal> {
    if granted.is_own() && is_own_page(&request.head.headers) { Ok(()) } else { Err(FOREIGN) }
}

/// The session's cookie (RFC 6265, section 4.2).
pub fn session<'a>(headers: &'a HeaderMap, granted: &Granted) -> Option<&'a str> {
    cookie(headers, &cookie_name(granted))
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split("; ")).find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// The name of the session's cookie: with the port, where the address of the page has one. A browser sends a cookie to all ports of a host, and
/// another h5serve there has sessions of its own.
pub fn cookie_name(granted: &Granted) -> String {
    granted.port().map_or_else(|| "h5live".into(), |port| format!("h5live-{port}"))
}

fn refuse(access: &Access, request: &Request, granted: &Granted, judgement: Judgement) -> Answer {
    let (status, why, wait) = match judgement {
        Judgement::SlowDown(wait) => (StatusCode::TOO_MANY_REQUESTS, Why::SlowDown, Some(wait)),
        Judgement::NeedsCredentials(Denied::Link(LinkError::Expired)) => (StatusCode::UNAUTHORIZED, Why::Expired, None),
        Judgement::NeedsCredentials(Denied::Link(_)) => (StatusCode::UNAUTHORIZED, Why::BadLink, None),
        Judgement::NeedsCredentials(Denied::Wrong) => (StatusCode::UNAUTHORIZED, Why::Wrong, None),
        Judgement::NeedsCredentials(_) => {
            let had_one = granted.is_own() && session(&request.head.headers, granted).is_some_and(|cookie| !cookie.is_empty());
            (StatusCode::UNAUTHORIZED, if had_one { Why::Ended } else { Why::Missing }, None)
        }
        Judgement::Forbidden | Judgement::Allowed => (StatusCode::FORBIDDEN, Why::Forbidden, None),
    };
    let has_users = access.judge().rules().users.is_some();
    let mut answer =
        if wants_page(request) { login_page::page(request, status, why, has_users) } else { Answer::from(Refusal(status, why.line())) };
    let headers = answer.headers_mut();
    if let Some(wait) = wait {
        // Rounded up: who comes then is not too early.
        headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.append(header::WWW_AUTHENTICATE, BEARER);
        // A browser would ask for the password in a window of its own, over our page. Tools wait for this.
        // Where a service outside judges, there is no page of ours to log in.
        let navigates = request.given(SEC_FETCH_MODE).text().is_none_or(|mode| mode == "navigate");
        let form = has_users && (wants_page(request) || request.head.headers.contains_key(SEC_FETCH_MODE));
        if (has_users && !form) || (access.has_outside() && navigates) {
            headers.append(header::WWW_AUTHENTICATE, BASIC);
        }
    }
    answer
}

/// A person waits for a page, and not a program for a stream.
pub fn wants_page(request: &Request) -> bool {
    let html = |part: &str| part.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/html"));
    matches!(request.head.method, Method::GET | Method::HEAD) && head::list(&request.head.headers, header::ACCEPT).any(html)
}

/// To where a page with a link in its query goes: there all that it asks for has the link in its path. `link`: `t/TOKEN`, relative to the page.
pub fn to_path(link: &str, name: &str) -> Answer {
    let mut answer = respond(StatusCode::SEE_OTHER, Reply::empty(), HeaderValue::from_static("text/plain; charset=utf-8"), NO_STORE);
    if let Ok(location) = HeaderValue::try_from(format!("{link}/{name}")) {
        answer.headers_mut().insert(header::LOCATION, location);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn cookies() {
        let of = |value| cookie(&headers(&[(header::COOKIE, value)]), "h5live").map(String::from);
        assert_eq!(of("h5live=abc").as_deref(), Some("abc"));
        assert_eq!(of("a=b; h5live=abc; c=d").as_deref(), Some("abc"));
        assert_eq!((of("xh5live=abc"), of("h5livex=abc"), of("")), (None, None, None));
    }

    #[test]
    fn whose_page_it_is() {
        let own = |site, mode| is_own_page(&headers(&[(SEC_FETCH_SITE, site), (SEC_FETCH_MODE, mode)]));
        assert!(own("same-origin", "no-cors") && own("none", "navigate") && own("cross-site", "navigate"));
        assert!(!own("same-site", "no-cors") && !own("cross-site", "cors") && !own("", "no-cors"));
        assert!(is_own_page(&HeaderMap::new()), "an older browser, or a tool");
    }
}
