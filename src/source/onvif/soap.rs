//! SOAP 1.2 as ONVIF uses it: requests with a login, and answers of which elements are found by their local names. Namespaces of devices
//! differ and are not looked at.

use super::profile::Profile;
use crate::media::WallTime;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use roxmltree::{Document, Node, ParsingOptions};
use sha1::{Digest, Sha1};

/// Elements and texts of an answer. A camera with 64 profiles sends a tenth.
const MAX_NODES: u32 = 100_000;
/// Profiles that are read of one camera.
const MAX_PROFILES: usize = 64;
/// Characters of a name or an address that a device sends.
pub const MAX_TEXT: usize = 1024;

/// How a request says who asks (WS-Security UsernameToken Profile 1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// SHA-1 of a nonce, the time and the password.
    Digest,
    /// The password as it is.
    Text,
}

/// An envelope with this body. `header`: from [`security`], or empty.
pub fn envelope(header: &str, body: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Header>{header}</s:Header>\
         <s:Body>{body}</s:Body></s:Envelope>"
    )
}

/// The header that says who asks. `created`: by the camera's clock.
pub fn security(token: Token, user: &str, password: &str, nonce: &[u8], created: WallTime) -> String {
    const NAMES: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-";
    let created = jiff::Timestamp::from_second(created.0.div_euclid(1_000_000)).unwrap_or_default().to_string();
    let digest = || STANDARD.encode(Sha1::new().chain_update(nonce).chain_update(&created).chain_update(password).finalize());
    let (kind, secret) = match token {
        Token::Digest => ("Digest", digest()),
        Token::Text => ("Text", escaped(password)),
    };
    format!(
        "<w:Security s:mustUnderstand=\"1\" xmlns:w=\"{NAMES}wssecurity-secext-1.0.xsd\" xmlns:u=\"{NAMES}wssecurity-utility-1.0.xsd\"><w:UsernameToken>\
         <w:Username>{}</w:Username><w:Password Type=\"{NAMES}username-token-profile-1.0#Password{kind}\">{secret}</w:Password>\
         <w:Nonce EncodingType=\"{NAMES}soap-message-security-1.0#Base64Binary\">{}</w:Nonce><u:Created>{created}</u:Created>\
         </w:UsernameToken></w:Security>",
        escaped(user),
        STANDARD.encode(nonce)
    )
}

/// A text between tags.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // XML has no form for the other control characters.
            c if c.is_control() && !matches!(c, '\t' | '\n' | '\r') => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Why a device does not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The login is missing or wrong.
    pub is_denied: bool,
    /// In the device's words, without control characters.
    pub text: String,
}

/// An answer. Bytes that are no XML, or have a document type, are `None`.
pub fn parse(answer: &str) -> Option<Document<'_>> {
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    // Some devices write a line end before the declaration.
    Document::parse_with_options(answer.trim_start_matches('\u{feff}').trim_start(), options).ok()
}

/// The fault that an answer is, if it is one.
pub fn fault(document: &Document) -> Option<Fault> {
    let fault = find(document.root(), "Fault")?;
    let codes: Vec<&str> = fault.descendants().filter(|node| has_name(*node, "Value")).filter_map(|node| node.text()).collect();
    // SOAP 1.1 has faultstring.
    let reason = [find(fault, "Reason").and_then(|node| text(node, "Text")), text(fault, "faultstring")].into_iter().flatten().next();
    let reason = reason.or_else(|| codes.last().map(|code| clean(code))).unwrap_or_default();
    let of_login = |text: &str| {
        let text = text.to_ascii_lowercase().replace(' ', "");
        ["notauthorized", "unauthorized", "failedauthentication", "authorityfailure"].iter().any(|word| text.contains(word))
    };
    let is_denied = of_login(&reason) || codes.iter().any(|code| of_login(code));
    Some(Fault { is_denied, text: reason })
}

/// The clock of a device (GetSystemDateAndTimeResponse), in UTC.
pub fn system_time(document: &Document) -> Option<WallTime> {
    let utc = find(document.root(), "UTCDateTime")?;
    let number = |name: &str| text(utc, name)?.parse::<i16>().ok();
    let small = |name: &str| number(name).and_then(|n| i8::try_from(n).ok());
    let civil =
        jiff::civil::DateTime::new(number("Year")?, small("Month")?, small("Day")?, small("Hour")?, small("Minute")?, small("Second")?, 0);
    let zoned = civil.ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(WallTime(zoned.timestamp().as_microsecond()))
}

/// Where the media service of a device is (GetCapabilitiesResponse).
pub fn media_service(document: &Document) -> Option<String> {
    text(find(document.root(), "Media")?, "XAddr")
}

/// The profiles of a device (GetProfilesResponse).
pub fn profiles(document: &Document) -> Vec<Profile> {
    let all = document.descendants().filter(|node| has_name(*node, "Profiles"));
    all.take(MAX_PROFILES).filter_map(profile).collect()
}

fn profile(node: Node) -> Option<Profile> {
    let token = clean(node.attributes().find(|attribute| attribute.name() == "token")?.value());
    let name = node.children().find(|child| has_name(*child, "Name")).and_then(|child| child.text()).map(clean).unwrap_or_default();
    let encoder = find(node, "VideoEncoderConfiguration");
    let number = |name: &str| encoder.and_then(|encoder| text(encoder, name)).and_then(|text| text.parse().ok()).unwrap_or(0);
    let encoding = encoder.and_then(|encoder| text(encoder, "Encoding")).unwrap_or_default();
    let rate = encoder
        .and_then(|encoder| text(encoder, "FrameRateLimit"))
        .and_then(|text| text.parse().ok())
        .map_or(0, |rate: f64| rate.round() as u32);
    Some(Profile { token, name, encoding, width: number("Width"), height: number("Height"), rate, uri: None })
}

/// The address of a stream (GetStreamUriResponse).
pub fn stream_uri(document: &Document) -> Option<String> {
    text(find(document.root(), "MediaUri")?, "Uri")
}

/// One answer to a probe (WS-Discovery 1.0, section 5.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The identity of the device, which is the same on every network.
    pub endpoint: String,
    /// Addresses of its device service.
    pub services: Vec<String>,
    /// From its scopes; empty where it has none.
    pub name: String,
    /// The model; empty where it is not given.
    pub hardware: String,
}

/// The answers in one datagram.
pub fn matches(document: &Document) -> Vec<Match> {
    document.descendants().filter(|node| has_name(*node, "ProbeMatch")).take(MAX_PROFILES).map(probe_match).collect()
}

fn probe_match(node: Node) -> Match {
    let endpoint = find(node, "EndpointReference").and_then(|node| text(node, "Address")).unwrap_or_default();
    let services = text(node, "XAddrs").unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    let scopes = text(node, "Scopes").unwrap_or_default();
    let scope = |name: &str| {
        let value = scopes.split_whitespace().find_map(|scope| scope.split_once("onvif.org/")?.1.strip_prefix(name));
        value.map(|value| clean(&percent_encoding::percent_decode_str(value).decode_utf8_lossy())).unwrap_or_default()
    };
    Match { endpoint, services, name: scope("name/"), hardware: scope("hardware/") }
}

fn has_name(node: Node, name: &str) -> bool {
    node.is_element() && node.tag_name().name() == name
}

/// The first element of this local name in or below a node.
fn find<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    node.descendants().find(|node| has_name(*node, name))
}

/// The text of the first element of this local name.
fn text(node: Node, name: &str) -> Option<String> {
    let text = find(node, name)?.text().map(clean)?;
    (!text.is_empty()).then_some(text)
}

/// A text of a device, as it may be printed.
fn clean(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_as_the_specification_computes_it() {
        // ONVIF Application Programmer's Guide, section 6.1.1.3.
        let nonce = STANDARD.decode("LKqI6G/AikKCQrN0zqZFlg==").unwrap();
        let created: jiff::Timestamp = "2010-09-16T07:50:45Z".parse().unwrap();
        let header = security(Token::Digest, "user", "userpassword", &nonce, WallTime(created.as_microsecond()));
        assert!(header.contains("PasswordDigest\">tuOSpGlFlIXsozq4HFNeeGeFLEI=<"), "{header}");
        assert!(header.contains("<u:Created>2010-09-16T07:50:45Z</u:Created>") && !header.contains("userpassword"), "{header}");
    }

    #[test]
    fn what_people_choose_as_passwords_is_escaped() {
        let header = security(Token::Text, "a<b", "p&\"w>\u{1}", b"n", WallTime(0));
        let text = envelope(&header, "<x/>");
        let document = parse(&text).unwrap();
        assert_eq!((text_of(&document, "Username"), text_of(&document, "Password")), ("a<b".into(), "p&\"w>".into()));
    }

    fn text_of(document: &Document, name: &str) -> String {
        text(document.root(), name).unwrap()
    }

    #[test]
    fn faults() {
        let fault = |text: &str| super::fault(&parse(text).unwrap());
        let denied = "<E><Body><Fault><Code><Value>s:Sender</Value><Subcode><Value>ter:NotAuthorized</Value></Subcode></Code><Reason><Text>no</Text></Reason>\
                      </Fault></Body></E>";
        assert_eq!(fault(denied), Some(Fault { is_denied: true, text: "no".into() }));
        let words = "<a:Fault xmlns:a='x'><faultstring>Sender not Authorized\n</faultstring></a:Fault>";
        assert_eq!(fault(words), Some(Fault { is_denied: true, text: "Sender not Authorized".into() }));
        assert_eq!(fault("<Fault/>"), Some(Fault { is_denied: false, text: String::new() }));
        assert_eq!(fault("<Body/>"), None);
    }

    #[test]
    fn clocks() {
        let time = |text: &str| system_time(&parse(text).unwrap()).map(|time| time.0);
        let answer = "<UTCDateTime><Time><Hour>7</Hour><Minute>50</Minute><Second>45</Second></Time><Date><Year>2010</Year><Month>9</Month><Day>16</Day></Date>\
                      </UTCDateTime>";
        assert_eq!(time(answer), Some(1_284_623_445_000_000));
        assert_eq!(time(&answer.replace(">45<", ">99<")), None);
        assert_eq!(time(&answer.replace(">2010<", ">99999<")), None);
    }

    #[test]
    fn profiles_with_and_without_video() {
        let answer = "<m:GetProfilesResponse xmlns:m='m' xmlns:t='t'><m:Profiles token='a' fixed='true'><t:Name>Main</t:Name><t:VideoEncoderConfiguration token='v'>\
                      <t:Name>Enc</t:Name><t:Encoding>H264</t:Encoding><t:Resolution><t:Width>1920</t:Width><t:Height>1080</t:Height></t:Resolution><t:RateControl>\
                      <t:FrameRateLimit>25</t:FrameRateLimit></t:RateControl></t:VideoEncoderConfiguration></m:Profiles><m:Profiles token='b'/><m:Profiles/>\
                      </m:GetProfilesResponse>";
        let main =
            Profile { token: "a".into(), name: "Main".into(), encoding: "H264".into(), width: 1920, height: 1080, rate: 25, uri: None };
        assert_eq!(profiles(&parse(answer).unwrap()), [main, Profile { token: "b".into(), ..Profile::default() }]);
    }

    #[test]
    fn probe_matches() {
        let answer = "<Envelope><Body><ProbeMatches><ProbeMatch><EndpointReference><Address>urn:uuid:1</Address></EndpointReference><Scopes>onvif://www.onvif.org/type/x \
                      onvif://www.onvif.org/name/Front%20door onvif://www.onvif.org/hardware/M1</Scopes><XAddrs>http://10.0.0.2/onvif/device_service http://[fe80::1]/o</XAddrs>\
                      </ProbeMatch></ProbeMatches></Body></Envelope>";
        let found = matches(&parse(answer).unwrap());
        let services = vec!["http://10.0.0.2/onvif/device_service".into(), "http://[fe80::1]/o".into()];
        assert_eq!(found, [Match { endpoint: "urn:uuid:1".into(), services, name: "Front door".into(), hardware: "M1".into() }]);
    }

    #[test]
    fn hostile_answers_are_refused() {
        assert!(parse("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>").is_none(), "a document type");
        assert!(parse(&"<a>".repeat(50_000)).is_none(), "no end");
        assert!(parse("not XML").is_none() && parse("").is_none());
        let many = format!("<a>{}</a>", "<b/>".repeat(200_000));
        assert!(parse(&many).is_none(), "too many elements");
    }
}
