//! Login and logout, by the form of the page.

use super::access::Granted;
use super::answer::{Answer, BUSY, NO_STORE, NOT_ALLOWED, NOT_FOUND, Refusal, empty, respond};
use super::authentication;
use super::base_path::BasePath;
use super::body::Reply;
use super::head::{self, SingleHeader};
use super::login_page::{Why, page};
use super::request::Request;
use crate::access::{Credentials, Denied, Now, Subject};
use crate::serve::access::{Access, Busy};
use crate::serve::live::registry::Registry;
use hyper::header::{self, HeaderValue};
use hyper::{Method, StatusCode};
use std::time::Duration;

/// A name, a password and where to go.
const FORM: usize = 8 * 1024;
const FORM_TIME: Duration = Duration::from_secs(5);
/// As long as the session lasts on the server, in seconds.
const WEEK: u32 = 7 * 24 * 3600;
const FOREIGN: Refusal = Refusal(StatusCode::FORBIDDEN, "not from this origin");
const NO_FORM: Refusal = Refusal(StatusCode::BAD_REQUEST, "expected name and password, as a form sends them");

/// `/api/login`: the page, or what its form sends.
///
/// # Errors
/// The form cannot be had, or comes from elsewhere.
pub async fn login(request: &mut Request, granted: &Granted, access: &Access, base: &BasePath) -> Result<Answer, Refusal> {
    // Also where there are no users: a page that is answered 404 has an error in the console of the browser.
    if request.head.method != Method::POST && head::list(&request.head.headers, header::ACCEPT).any(|kind| kind == "application/json") {
        return Ok(who(request, granted, access).await);
    }
    let has_users = access.judge().rules().users.is_some();
    if !has_users {
        return Err(NOT_FOUND);
    }
    if request.head.method != Method::POST {
        return Ok(page(request, StatusCode::OK, Why::Missing, has_users));
    }
    if !granted.is_own() {
        return Err(FOREIGN);
    }
    let body = request.body(FORM, FORM_TIME).await?;
    let form = std::str::from_utf8(&body).map_err(|_| NO_FORM)?;
    let field = |name| head::parameter(form, name).ok().flatten().map(|value| value.into_owned());
    let (Some(name), Some(password)) = (field("name"), field("password")) else { return Err(NO_FORM) };
    let shown = Credentials::Password { name: name.clone(), password };
    let why = match access.identify(shown, request.peer.ip()).await.map_err(|Busy| BUSY)? {
        Ok(_) => {
            let cookie = access.judge().open_session(&name, Now::system()).map_err(|_| BUSY)?;
            let fits = |next: &String| Registry::allows(next.strip_prefix("in/").unwrap_or(next));
            let next = field("next").filter(fits).unwrap_or_default();
            return Ok(see_other(&next, &set_cookie(request, granted, base, &cookie, WEEK)));
        }
        Err(Denied::SlowDown(_)) => Why::SlowDown,
        Err(_) => Why::Wrong,
    };
    let status = if why == Why::SlowDown { StatusCode::TOO_MANY_REQUESTS } else { StatusCode::UNAUTHORIZED };
    let mut answer = page(request, status, why, has_users);
    if why == Why::SlowDown {
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
    } else {
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"h5live\""));
    }
    Ok(answer)
}

/// Who has logged in by the form, for a page that can log out.
async fn who(request: &Request, granted: &Granted, access: &Access) -> Answer {
    let cookie = authentication::session(&request.head.headers, granted).filter(|_| granted.is_own());
    let name = match cookie {
        Some(cookie) => match access.identify(Credentials::Session(cookie), request.peer.ip()).await {
            Ok(Ok(Subject::User { name, .. })) => Some(name),
            _ => None,
        },
        None => None,
    };
    let json = serde_json::json!({ "user": name }).to_string();
    respond(StatusCode::OK, Reply::whole(json), HeaderValue::from_static("application/json"), NO_STORE)
}

/// `/api/logout`: the session ends here, and its cookie there.
///
/// # Errors
/// From elsewhere.
pub fn logout(request: &Request, granted: &Granted, access: &Access, base: &BasePath) -> Result<Answer, Refusal> {
    if request.head.method != Method::POST {
        return Err(NOT_ALLOWED);
    }
    if !granted.is_own() {
        return Err(FOREIGN);
    }
    if let Some(cookie) = authentication::session(&request.head.headers, granted) {
        access.judge().close_session(cookie);
    }
    Ok(see_other("", &set_cookie(request, granted, base, "", 0)))
}

/// To a stream, to where one is sent, or to the list: all are one step up.
fn see_other(name: &str, cookie: &str) -> Answer {
    let mut answer = empty(StatusCode::SEE_OTHER);
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(NO_STORE));
    for (header, value) in [(header::LOCATION, format!("../{name}")), (header::SET_COOKIE, cookie.into())] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(header, value);
        }
    }
    answer
}

/// No script reads it, no form of another site sends it, and over TLS it goes over TLS only: the browser says so in the Origin of the form, or a
/// proxy does.
fn set_cookie(request: &Request, granted: &Granted, base: &BasePath, value: &str, seconds: u32) -> String {
    let by_origin = matches!(request.given(header::ORIGIN), SingleHeader::Text(origin) if origin.starts_with("https://"));
    let secure = if by_origin || request.is_https() { "; Secure" } else { "" };
    let name = authentication::cookie_name(granted);
    format!("{name}={value}; Path={base}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
}
