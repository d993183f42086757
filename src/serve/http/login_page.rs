//! The page that asks who somebody is, or says why something is not shown. It needs no script.

use super::answer::{Answer, NO_STORE, NOT_YOURS, respond};
use super::body::Reply;
use super::head;
use super::request::Request;
use super::routes::{self, Route};
use crate::serve::live::registry::Registry;
use hyper::StatusCode;
use hyper::header::{self, HeaderValue};

/// A form to this server, its own styles, and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/player/src/login.html"));

/// Why the page is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    Missing,
    /// A session's cookie was shown, and there is no such session.
    Ended,
    Wrong,
    Expired,
    BadLink,
    Forbidden,
    SlowDown,
}

impl Why {
    /// For tools.
    pub fn line(self) -> &'static str {
        self.texts()[0]
    }

    /// In English and Chinese.
    fn texts(self) -> [&'static str; 2] {
        match self {
            Why::Missing => ["a login is needed", "请登录"],
            Why::Ended => ["your session has ended", "您的登录已失效"],
            Why::Wrong => ["the name, the password or the token is wrong", "用户名、密码或令牌错误"],
            Why::Expired => ["this link has expired", "此链接已过期"],
            Why::BadLink => ["this link is not valid", "此链接无效"],
            Why::Forbidden => [NOT_YOURS.1, "您无权观看此视频"],
            Why::SlowDown => ["too many tries; wait a little", "尝试次数过多，请稍候"],
        }
    }
}

/// The page, in the language that the browser prefers. With a form, where there are users.
pub fn page(request: &Request, status: StatusCode, why: Why, has_users: bool) -> Answer {
    let chinese = head::prefers_chinese(&request.head.headers);
    let language = usize::from(chinese);
    let [name, password, login] = [["Name", "用户名"], ["Password", "密码"], ["Log in", "登录"]].map(|texts| texts[language]);
    let (link, inside) = routes::split_link(&request.path);
    // Where the login is, seen from where the page is shown; and from there back. What is not the name of a stream goes to the list.
    let up = match (link, Route::of(inside)) {
        (Some(_), Route::Publish { .. }) => "../../../",
        (Some(_), _) => "../../",
        (None, Route::Publish { .. }) => "../",
        (None, Route::Login | Route::Logout) => "../",
        (None, _) => "",
    };
    let next = match Route::of(inside) {
        Route::Stream { name, form: "" } if Registry::allows(name) => name.to_owned(),
        Route::Publish { name } => format!("in/{name}"),
        _ => String::new(),
    };
    let why = capitalized(why.texts()[language]);
    let mut html = PAGE.replace("{language}", ["en", "zh"][language]).replace("{up}", up).replace("{next}", &next);
    for (place, text) in [("{why}", &*why), ("{name}", name), ("{password}", password), ("{login}", login)] {
        html = html.replace(place, text);
    }
    if !has_users && let (Some(from), Some(to)) = (html.find("<form"), html.find("</form>")) {
        html.replace_range(from..to + "</form>".len(), "");
    }
    let mut answer = respond(status, Reply::whole(html), HeaderValue::from_static("text/html; charset=utf-8"), NO_STORE);
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    // With no-referrer a browser says `Origin: null` of a form (Fetch, section 3.2).
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    answer
}

/// As a line of its own.
fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
