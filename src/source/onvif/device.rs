//! A camera that is asked by ONVIF: for its clock, its profiles, and the addresses of their streams.

use super::call::{self, Answer, Caller};
use super::profile::{Profile, choose};
use super::soap::{self, Token};
use crate::media::WallTime;
use crate::source::network::connection::CancelToken;
use crate::source::network::refusal::RefusalKind;
use crate::source::network::tls::{Fingerprint, TlsClient};
use crate::source::network::{Address, Credentials, Refusal};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;
use url::Url;

/// How a camera is asked.
#[derive(Clone)]
pub struct DeviceOptions {
    /// `None`: as a guest.
    pub credentials: Option<Credentials>,
    /// Of its certificate, where it is asked by TLS.
    pub fingerprint: Option<Fingerprint>,
    /// For each request.
    pub timeout: Duration,
}

/// A login that a camera may accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LoginMethod {
    /// A header of SOAP.
    Soap(Token),
    /// A header of HTTP, as its challenge asks.
    Http,
}

/// In this order: the last one shows the password to all who listen.
const LOGIN_METHODS: [LoginMethod; 3] = [LoginMethod::Soap(Token::Digest), LoginMethod::Http, LoginMethod::Soap(Token::Text)];

const DEVICE: &str = "http://www.onvif.org/ver10/device/wsdl";
const MEDIA: &str = "http://www.onvif.org/ver10/media/wsdl";
/// Where cameras have their device service (ONVIF Core Specification, section 5.1.1).
const DEVICE_PATH: &str = "/onvif/device_service";

/// A camera that has answered.
pub struct Device {
    /// Its device service.
    url: Url,
    media: Url,
    options: DeviceOptions,
    /// The camera's clock less that of this machine, in microseconds.
    offset: i64,
    method: LoginMethod,
    cancel_token: CancelToken,
}

impl Device {
    /// The camera at `onvif://HOST:PORT/…`.
    ///
    /// # Errors
    /// Nothing answers there, or it refuses the login.
    pub fn at(address: &Address, options: &DeviceOptions, cancel_token: &CancelToken) -> Result<Device, Refusal> {
        let (host, port) = address.host_and_port(80);
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let scheme = if port == 443 { "https" } else { "http" };
        let url = Url::parse(&format!("{scheme}://{host}:{port}{DEVICE_PATH}"));
        Device::of(url.map_err(|error| Refusal::new(RefusalKind::Absent, error.to_string()))?, options, cancel_token)
    }

    /// The camera with this device service, as discovery has it.
    ///
    /// # Errors
    /// Nothing answers there, or it refuses the login.
    pub fn of(url: Url, options: &DeviceOptions, cancel_token: &CancelToken) -> Result<Device, Refusal> {
        let mut device = Device {
            media: url.clone(),
            url,
            options: options.clone(),
            offset: 0,
            method: LOGIN_METHODS[0],
            cancel_token: cancel_token.clone(),
        };
        device.offset = device.clock_offset()?;
        let body = format!("<GetCapabilities xmlns=\"{DEVICE}\"><Category>Media</Category></GetCapabilities>");
        let answer = device.ask(&device.url.clone(), DEVICE, "GetCapabilities", &body)?;
        let media = soap::parse(&answer).as_ref().and_then(soap::media_service);
        let media = media.and_then(|media| on_host_of(&device.url, &media));
        device.media = media.ok_or_else(|| Refusal::new(RefusalKind::Unsupported, "it has no media service of ONVIF"))?;
        Ok(device)
    }

    /// All profiles, without the addresses of their streams.
    ///
    /// # Errors
    /// The camera does not answer, or refuses.
    pub fn profiles(&mut self) -> Result<Vec<Profile>, Refusal> {
        let answer = self.ask(&self.media.clone(), MEDIA, "GetProfiles", &format!("<GetProfiles xmlns=\"{MEDIA}\"/>"))?;
        Ok(soap::parse(&answer).as_ref().map(soap::profiles).unwrap_or_default())
    }

    /// The address of a profile's stream by RTSP. Its host is the one that was asked: no other one gets the password.
    ///
    /// # Errors
    /// The camera does not answer, or refuses.
    pub fn stream_uri(&mut self, token: &str) -> Result<String, Refusal> {
        let body = format!(
            "<GetStreamUri xmlns=\"{MEDIA}\" xmlns:t=\"http://www.onvif.org/ver10/schema\"><StreamSetup><t:Stream>RTP-Unicast</t:Stream>\
             <t:Transport><t:Protocol>RTSP</t:Protocol></t:Transport></StreamSetup><ProfileToken>{}</ProfileToken></GetStreamUri>",
            soap::escaped(token)
        );
        let answer = self.ask(&self.media.clone(), MEDIA, "GetStreamUri", &body)?;
        let uri = soap::parse(&answer).as_ref().and_then(soap::stream_uri);
        let uri = uri.filter(|uri| uri.starts_with("rtsp://") || uri.starts_with("rtsps://")).and_then(|uri| on_host_of(&self.url, &uri));
        uri.map(String::from).ok_or_else(|| Refusal::new(RefusalKind::Unsupported, "it gives no address of RTSP"))
    }

    /// The profile that is named, or else the best, with the address of its stream.
    ///
    /// # Errors
    /// There is no such profile; the camera does not answer, or refuses.
    pub fn stream(&mut self, wanted: Option<&str>) -> Result<Profile, Refusal> {
        let profiles = self.profiles()?;
        let Some(profile) = choose(&profiles, wanted) else {
            let names: Vec<String> = profiles.iter().map(Profile::line).collect();
            let text =
                if names.is_empty() { "it has no profile".into() } else { format!("it has no such profile, but {}", names.join("; ")) };
            return Err(Refusal::new(RefusalKind::Absent, text));
        };
        let uri = Some(self.stream_uri(&profile.token)?);
        Ok(Profile { uri, ..profile.clone() })
    }

    /// The camera's clock less that of this machine, in microseconds: a digest is believed only if its time is right there.
    fn clock_offset(&self) -> Result<i64, Refusal> {
        let body = format!("<GetSystemDateAndTime xmlns=\"{DEVICE}\"/>");
        let answer = self.post(&self.url, DEVICE, "GetSystemDateAndTime", &soap::envelope("", &body), None)?;
        // Some ask for a login even here; then their clock is not known.
        let time = soap::parse(&answer.text).as_ref().and_then(soap::system_time);
        Ok(time.map_or(0, |time| time.0.saturating_sub(WallTime::now().0)))
    }

    /// Asks, with the login that this camera accepts.
    fn ask(&mut self, url: &Url, namespace: &str, name: &str, body: &str) -> Result<String, Refusal> {
        let Some(credentials) = self.options.credentials.clone() else {
            let answer = self.post(url, namespace, name, &soap::envelope("", body), None)?;
            return accepted(answer, false);
        };
        let first = LOGIN_METHODS.iter().position(|method| *method == self.method).unwrap_or(0);
        let mut challenge: Option<Answer> = None;
        for method in &LOGIN_METHODS[first..] {
            let answer = match method {
                LoginMethod::Soap(token) => {
                    self.post(url, namespace, name, &soap::envelope(&self.token(*token, &credentials)?, body), None)?
                }
                LoginMethod::Http => {
                    if challenge.is_none() && first == 1 {
                        challenge = Some(self.post(url, namespace, name, &soap::envelope("", body), None)?);
                    }
                    let Some(asked) = challenge.take().filter(|asked| asked.head.value("www-authenticate").is_some()) else { continue };
                    self.post(url, namespace, name, &soap::envelope("", body), Some(&call::login(&asked.head, &credentials, url)?))?
                }
            };
            if !is_denied(&answer) {
                self.method = *method;
                return accepted(answer, true);
            }
            challenge = Some(answer);
        }
        Err(Refusal::status(401, true))
    }

    fn token(&self, token: Token, credentials: &Credentials) -> Result<String, Refusal> {
        let mut nonce = [0; 16];
        let random = aws_lc_rs::rand::fill(&mut nonce);
        random.map_err(|_| Refusal::new(RefusalKind::Failed, "the system gives no random numbers"))?;
        let created = WallTime(WallTime::now().0.saturating_add(self.offset));
        Ok(soap::security(token, &credentials.user, &credentials.password, &nonce, created))
    }

    /// One request in a thread of its own, which is cancelled at its timeout.
    fn post(&self, url: &Url, namespace: &str, name: &str, envelope: &str, login: Option<&str>) -> Result<Answer, Refusal> {
        let (timeout, cancel_token) = (self.options.timeout, self.cancel_token.clone());
        let tls = TlsClient::new(self.options.fingerprint);
        let (sender, answer) = sync_channel(1);
        let (url, action, envelope, login) = (url.clone(), format!("{namespace}/{name}"), envelope.to_owned(), login.map(str::to_owned));
        let request = move || {
            let caller = Caller { tls, timeout, cancel_token: &cancel_token };
            _ = sender.send(caller.post(&url, &action, &envelope, login.as_deref()));
        };
        let failed = |text: &str| Refusal::new(RefusalKind::Failed, text);
        std::thread::Builder::new().name("onvif".into()).spawn(request).map_err(|_| failed("the system has no thread for a request"))?;
        match answer.recv_timeout(timeout) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => {
                let stage = self.cancel_token.stage();
                self.cancel_token.cancel();
                Err(stage.late(timeout))
            }
            Err(RecvTimeoutError::Disconnected) => Err(failed("the request has ended without an answer")),
        }
    }
}

fn is_denied(answer: &Answer) -> bool {
    answer.head.status == 401 || soap::parse(&answer.text).as_ref().and_then(soap::fault).is_some_and(|fault| fault.is_denied)
}

/// The text of an answer that is no refusal.
fn accepted(answer: Answer, with_password: bool) -> Result<String, Refusal> {
    if is_denied(&answer) {
        return Err(Refusal::status(401, with_password));
    }
    let fault = soap::parse(&answer.text).as_ref().and_then(soap::fault);
    match (fault, answer.head.status) {
        (Some(fault), _) => Err(Refusal::new(RefusalKind::Failed, format!("it refuses: {}", fault.text))),
        (None, 200) => Ok(answer.text),
        (None, 404 | 405) => Err(Refusal::new(RefusalKind::Absent, format!("{}: it has no ONVIF at this address", answer.head.status))),
        (None, status) => Err(Refusal::status(status, with_password)),
    }
}

/// An address that a camera gives of itself, at the host that was asked. Behind a router a camera names a host that only its own network knows, and
/// a password goes to no host but the one that it is for.
fn on_host_of(asked: &Url, given: &str) -> Option<Url> {
    let mut url = Url::parse(given).ok()?;
    url.set_host(asked.host_str()).ok()?;
    _ = url.set_username("");
    _ = url.set_password(None);
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_stay_on_the_host_that_was_asked() {
        let asked = Url::parse("http://cam.example:8000/onvif/device_service").unwrap();
        let on = |given: &str| on_host_of(&asked, given).map(String::from);
        assert_eq!(on("rtsp://192.168.1.9:554/a?b=c").as_deref(), Some("rtsp://cam.example:554/a?b=c"));
        assert_eq!(on("http://u:p@evil.example/media").as_deref(), Some("http://cam.example/media"));
        assert_eq!(on("rtsp://[::1]/x").as_deref(), Some("rtsp://cam.example/x"));
        for wrong in ["", "media", "mailto:a@b"] {
            assert_eq!(on(wrong), None, "{wrong}");
        }
    }
}
