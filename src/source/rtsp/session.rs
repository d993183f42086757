//! One connection to an RTSP server: from DESCRIBE (RFC 2326, section 10.2) to the frames.

use super::forwarder;
use super::streams::{PlayedStream, Selection};
use crate::media::OmittedTrack;
use crate::source::network::address::masked;
use crate::source::network::outage::REACH;
use crate::source::network::refusal::RefusalKind;
use crate::source::network::tls::TlsClient;
use crate::source::network::{Address, Credentials, Refusal, Transport};
use futures_core::Stream as _;
use retina::client::{
    Demuxed, InitialTimestampPolicy, PlayOptions, Session, SessionGroup, SessionIdPolicy, SessionOptions, SetupOptions,
    TcpTransportOptions, UdpTransportOptions,
};
use retina::codec::{CodecItem, FrameFormat, ParameterSetInsertion, aac, h26x};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// The port of RTSP (RFC 2326, section 3.2).
const PORT: u16 = 554;
/// With TLS (RFC 7826, section 4.2).
const TLS_PORT: u16 = 322;
/// So long the session before may take to end: cameras with room for few viewers count it as long as it lasts.
pub const GOODBYE: Duration = Duration::from_millis(500);

/// What is asked of a server.
#[derive(Clone)]
pub struct Request {
    pub address: Address,
    pub credentials: Option<Credentials>,
    /// Of a server with TLS.
    pub tls: Option<TlsClient>,
    pub transport: Transport,
    /// For each answer.
    pub timeout: Duration,
    /// The sessions with this server, over all connections.
    pub group: Arc<SessionGroup>,
}

impl Request {
    fn host_and_port(&self) -> (&str, u16) {
        self.address.host_and_port(if self.tls.is_some() { TLS_PORT } else { PORT })
    }
}

/// A session that plays.
pub struct Connection {
    frames: Demuxed,
    /// What is played of each stream of the presentation: the number of its track.
    numbers: Vec<Option<usize>>,
    /// By number of the track.
    pub played: Vec<PlayedStream>,
    /// What the presentation has besides.
    pub omitted: Vec<OmittedTrack>,
}

/// Packets as they are wanted downstream: NAL units after their lengths, parameter sets before every keyframe, bare AAC.
const FORMAT: FrameFormat = FrameFormat {
    h26x_framing: h26x::Framing::FourByteLength,
    parameter_set_insertion: ParameterSetInsertion::EachKeyFrame,
    aac_framing: aac::Framing::Raw,
};

impl Connection {
    /// Connects, chooses streams and plays them. `again`: after a loss.
    ///
    /// # Errors
    /// Nothing answers, in time or as it should; there is no stream that can be read.
    pub async fn open(request: Request, again: bool) -> Result<Connection, Refusal> {
        if again {
            reach(request.host_and_port()).await?;
            // A failure costs nothing but a session that the server keeps for a while.
            _ = tokio::time::timeout(GOODBYE, request.group.await_teardown()).await;
        }
        let timeout = request.timeout;
        let late = |_| Refusal::new(RefusalKind::Unreachable, format!("no answer within {} s", timeout.as_secs_f32()));
        tokio::time::timeout(timeout, Connection::play(request)).await.map_err(late)?
    }

    async fn play(request: Request) -> Result<Connection, Refusal> {
        let has_password = request.credentials.is_some();
        let url = match &request.tls {
            Some(tls) => {
                let port = forwarder::start(request.host_and_port(), tls).await?;
                forwarder::url(request.address.url(), port)
            }
            None => request.address.url().clone(),
        };
        let refused = |error: retina::Error| refusal(&error, has_password);
        let credentials = request.credentials.map(|c| retina::client::Credentials { username: c.user, password: c.password });
        let options = SessionOptions::default()
            .creds(credentials)
            .user_agent(concat!("h5live/", env!("CARGO_PKG_VERSION")).into())
            .session_group(request.group)
            // Cameras exist that change it at every SETUP.
            .session_id(SessionIdPolicy::UseFirst);
        let mut session = Session::describe(url, options).await.map_err(refused)?;
        let Selection { streams, omitted } = Selection::of(session.streams());
        if streams.is_empty() {
            let has = crate::media::omitted_line(&omitted);
            return Err(Refusal::new(RefusalKind::Unsupported, format!("nothing to play: {has}")));
        }
        let mut numbers = vec![None; session.streams().len()];
        let mut played = Vec::new();
        for &stream in &streams {
            let transport = match request.transport {
                Transport::Tcp => retina::client::Transport::Tcp(TcpTransportOptions::default()),
                Transport::Udp => retina::client::Transport::Udp(UdpTransportOptions::default()),
            };
            session.setup(stream, SetupOptions::default().transport(transport).frame_format(FORMAT)).await.map_err(refused)?;
            numbers[stream] = Some(played.len());
            played.push(PlayedStream::new(&session.streams()[stream], request.transport == Transport::Udp));
        }
        // Cameras exist that leave the time out, or have it wrong for one of the streams.
        let play = PlayOptions::default().initial_timestamp(InitialTimestampPolicy::Permissive);
        let frames = session.play(play).await.map_err(refused)?.demuxed().map_err(refused)?;
        Ok(Connection { frames, numbers, played, omitted })
    }

    /// What comes next.
    ///
    /// # Errors
    /// The connection has ended.
    pub async fn next(&mut self) -> Result<CodecItem, Refusal> {
        match std::future::poll_fn(|cx| Pin::new(&mut self.frames).poll_next(cx)).await {
            Some(Ok(item)) => Ok(item),
            Some(Err(error)) => Err(refusal(&error, true)),
            None => Err(Refusal::new(RefusalKind::Failed, "it has ended the stream")),
        }
    }

    /// The number of the track that a stream of the presentation is.
    pub fn number(&self, stream: usize) -> Option<usize> {
        self.numbers.get(stream).copied().flatten()
    }
}

/// Whether something listens at the address.
async fn reach(address: (&str, u16)) -> Result<(), Refusal> {
    match tokio::time::timeout(REACH, tokio::net::TcpStream::connect(address)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(Refusal::unreachable(&error.to_string())),
        Err(_) => Err(Refusal::new(RefusalKind::Unreachable, "no answer")),
    }
}

/// An error in words: the library's have several lines, with addresses and packets.
fn refusal(error: &retina::Error, with_password: bool) -> Refusal {
    let text = error.to_string();
    if text.contains("Can't understand WWW-Authenticate") {
        let text = "401: its login is none that is read here: neither basic, nor digest by MD5 or SHA-256 in capitals";
        return Refusal::new(RefusalKind::Denied, text);
    }
    if let Some(status @ 300..) = error.status_code() {
        return Refusal::status(status, with_password);
    }
    let line = text.lines().next().unwrap_or_default();
    match line.strip_prefix("Unable to connect to RTSP server: ") {
        Some(cause) => Refusal::unreachable(cause),
        None => Refusal::new(RefusalKind::Failed, masked(line).chars().take(200).collect::<String>()),
    }
}
