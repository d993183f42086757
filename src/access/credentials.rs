//! What a client shows: nothing, a name and a password, a bearer token, a link or the cookie of a session.

use super::password::MAX_PASSWORD;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The longest bearer token.
const MAX_TOKEN: usize = 1024;

/// What a client shows. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials<'a> {
    /// Nothing.
    None,
    /// HTTP Basic (RFC 7617), or a login form.
    Password {
        /// The name.
        name: String,
        /// The password.
        password: String,
    },
    /// A bearer token (RFC 6750).
    Token(&'a str),
    /// The token of a signed link.
    Link(&'a str),
    /// The cookie of a session.
    Session(&'a str),
    /// The secret of a CDN.
    Cdn(&'a str),
    /// Something that is none of these.
    Unreadable,
}

impl std::fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Credentials::None => "None",
            Credentials::Password { .. } => "Password",
            Credentials::Token(_) => "Token",
            Credentials::Link(_) => "Link",
            Credentials::Session(_) => "Session",
            Credentials::Cdn(_) => "Cdn",
            Credentials::Unreadable => "Unreadable",
        })
    }
}

impl<'a> Credentials<'a> {
    /// Of an Authorization header: `Basic` or `Bearer`, in any case of letters (RFC 9110, section 11.1).
    pub fn of_authorization(value: &'a str) -> Credentials<'a> {
        let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
        let rest = rest.trim_start_matches(' ');
        if scheme.eq_ignore_ascii_case("bearer") && !rest.is_empty() && rest.len() <= MAX_TOKEN {
            return Credentials::Token(rest);
        }
        let basic = scheme.eq_ignore_ascii_case("basic").then(|| basic(rest)).flatten();
        basic.unwrap_or(Credentials::Unreadable)
    }
}

fn basic<'a>(text: &str) -> Option<Credentials<'a>> {
    // Base64 of the longest name and password, and more.
    if text.len() > 2 * MAX_PASSWORD {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some(Credentials::Password { name: name.into(), password: password.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorization() {
        let password = |name: &str, password: &str| Credentials::Password { name: name.into(), password: password.into() };
        // RFC 7617, sections 2 and 2.1.
        assert!(Credentials::of_authorization("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==") == password("Aladdin", "open sesame"));
        assert!(Credentials::of_authorization("bAsic  dGVzdDoxMjPCow==") == password("test", "123£"));
        assert!(Credentials::of_authorization("Basic YTpiOmM=") == password("a", "b:c"));
        assert!(Credentials::of_authorization("bearer abc") == Credentials::Token("abc"));
        for wrong in ["", "Basic", "Basic x", "Basic YQ==", "Basic /////w==", "Bearer", "Bearer ", "Digest username=\"a\"", "Basic\tYTpi"] {
            assert!(Credentials::of_authorization(wrong) == Credentials::Unreadable, "{wrong}");
        }
        assert!(Credentials::of_authorization(&format!("Bearer {}", "x".repeat(1025))) == Credentials::Unreadable);
        assert_eq!(format!("{:?}", password("ann", "s3cret")), "Password");
    }
}
