//! `h5serve`: streams in, viewers out. Arguments -> inputs -> publishers | the server.

mod access;
mod events;
mod ingest;
mod input;
mod limits;
mod reading;
mod report;
mod splicer;
mod tools;
mod watch;
mod writer_input;

use anyhow::Context as _;
use h5live::cli;
use h5live::pipe::stdio::Stdin;
use h5live::serve::{Access, Listen, Options, Policy, Publisher, Registry, Server, Stopper, Stream};
use input::{Input, InputLocation, OnEof};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const MANUAL: cli::Manual = cli::Manual {
    examples: &[
        ("The test picture, live at http://127.0.0.1:8080/:", "h5cap test | h5enc | h5mux | h5serve"),
        ("What ffmpeg sends, without encoding it again:", "ffmpeg -re -i FILE -c copy -f nut -flush_packets 1 - | h5serve"),
        (
            "Two cameras by FIFO; each writer may come and go:",
            "mkfifo door.mp4 yard.mp4; h5serve --on-eof reopen door=door.mp4 yard=yard.mp4",
        ),
        ("A file in an endless loop, for the whole network:", "h5serve --listen 0.0.0.0:8080 --public --on-eof reopen demo=show.mp4"),
        ("Watch it without a browser:", "mpv --profile=low-latency http://127.0.0.1:8080/live.mp4"),
        ("A token for a program that may watch door1, door2, ...:", "h5serve passwd users recorder --token --rights 'door*=view'"),
        ("A key, and a link to one stream for a day:", "h5serve link --key link.key --new-key --stream door1 --ttl 1d"),
    ],
    groups: &[
        ("Access", &["listen", "users", "link_key", "public", "host", "cors"]),
        ("Inputs", &["name", "on_eof", "input_format", "rate", "live"]),
        ("Viewers", &["lag", "stall", "threads", "events"]),
        ("Limits", &["ring", "memory", "max_viewers", "max_viewers_per_stream", "max_connections_per_address", "max_requests_per_address"]),
    ],
    sections: &[
        (
            "ROUTES",
            "NAME is the name of a stream, as given on the command line.\n\n    \
             /                 the page: the stream, or all of them\n    \
             /NAME             the page of one stream; its Link header names the WebSocket, so that h5cap(1) takes this address too\n    \
             /NAME.mp4         endless fragmented MP4, from the newest keyframe on; ?codecs=avc1 for the video alone\n    \
             /NAME.mjpg        MJPEG streams: multipart/x-mixed-replace, the newest picture whenever there is room for one\n    \
             /NAME.jpg         MJPEG streams: the newest picture\n    \
             /h5live.js        the player, a web component: <h5-live src=\"/api/ws?src=NAME\">\n    \
             /api/ws?src=NAME  WebSocket: the messages of go2rtc's MSE and MJPEG modes\n    \
             /api/login        the page that asks for name and password, and its form; /api/logout ends a session\n    \
             /api/streams      JSON: name, state, codecs, size, frame rate, bit rate, viewers and trouble of every stream",
        ),
        (
            "VIEWERS",
            "All viewers read from one ring of chunks per stream; nothing is copied or queued for each. A new viewer \
             starts at the newest keyframe. A viewer that falls behind by more than --lag, or by a third of it for \
             a while, goes on at the newest keyframe and is told how many frames it lost. h5serve closes a viewer that takes nothing at all for \
             --stall. A slow viewer costs the others nothing.\n\n\
             h5serve notices when a client goes away, whether the stream runs or stands still. A client may end its \
             side of an HTTP connection and read on. h5serve then checks now and then whether it is still there: it \
             sends an empty box of MP4, or the JPEG picture once more.\n\n\
             If frames come but no viewer can start, h5serve warns once. While that lasts, /healthz, the page and the \
             member trouble in /api/streams report it, and NAME.mp4 answers 503. The reasons are no-keyframe (none for \
             three seconds), no-picture (only audio comes) and keyframe-lost (a group of pictures is larger than \
             --ring, so the newest keyframe is not kept). Set the encoder's keyframe interval to 1 s.\n\n\
             h5serve takes --ring of memory for each stream. Each viewer takes at most 8 KiB over WebSocket and 20 KiB \
             over HTTP, besides what the kernel keeps of its socket. Pictures that slow viewers are in the middle of \
             are part of --ring. When they fill half of it, h5serve closes the viewer with the oldest one. If no file \
             descriptor is free (see ulimit -n), h5serve answers with status 503.\n\n\
             With --memory there are no more viewers and connections than fit into so much memory. Who comes beyond a limit gets status 503, or \
             429 for requests that come too fast, a line that says which limit it is, and Retry-After. h5serve warns of each limit, at most every \
             30 seconds.",
        ),
        (
            "VIEWER HEALTH",
            "Every few seconds the player reports over its WebSocket: the latency from capture to screen, stalls, \
             frames that were not shown, errors. On the address given with --control, /stats has the report of each \
             viewer (of the first thousand), with its stream, transport, address, start, bytes and the frames that the \
             server skipped for it. POST /kick with the number of a viewer as its body closes that viewer. /metrics has histograms of latency \
             and stalls for each stream, and what was refused, by limit. Other players may \
             send the report too, as the message\n\n    \
             {\"type\":\"h5live/report\",\"value\":{\"latency\":84,\"stalls\":[640],\"dropped\":3,\"errors\":1,\"error\":\"...\",\"transport\":\"MSE\"}}\n\n\
             with times in milliseconds and counts since the last report. All fields are optional. h5serve clamps the \
             numbers, and accepts four reports a second at most.\n\n\
             --events writes events as lines of JSON: join, leave, drop, stall and error. A drop is frames that the \
             server skipped for a late viewer, or that its player skipped. A stall by the server is a viewer that took \
             nothing for --stall and was closed; a stall by the player is a picture that stood still. Each line has \
             the time, the stream, and viewer, the number of the connection. A slow reader of the lines delays no \
             viewer: a line named lost counts what it missed.",
        ),
        (
            "ACCESS",
            "By default h5serve listens on this machine only, and every program on this machine may watch. To listen wider, say \
             who may: --users, --link-key, or --public for everybody.\n\n\
             Users are in a file, a line for each, as h5serve passwd writes it: NAME:HASH:RIGHTS. RIGHTS are view, rewind, \
             record, publish and admin, for all streams or by name: cam=view,rewind door*=view. The server asks for view; \
             the other rights are for what is to come. A browser gets a page to log in, and then a cookie. Tools send the \
             name and the password by HTTP Basic, as curl -u does. A program sends its token: Authorization: Bearer TOKEN.\n\n\
             A link is made by h5serve link, without the server, and is good until it ends: /NAME?token=TOKEN, or with \
             the token in the path, /t/TOKEN/NAME. Both are good for pages, NAME.mp4, NAME.mjpg, NAME.jpg and the WebSocket. \
             To take all links of a key back, take the key away.\n\n\
             h5serve judges a request when it comes. Who watches already goes on when a link ends or a user is taken away. \
             The list of streams has those that the visitor may see. Wrong passwords are slowed down, by address and by name. \
             Without TLS, names, passwords and tokens can be read on the way: put a proxy with TLS before h5serve.\n\n\
             Pages of other origins may use the streams only if --cors names them. h5serve refuses a \
             request whose host is not localhost, an address, this machine's own name or a name given with --host. So \
             no web page can reach the streams through a name of its own.",
        ),
    ],
    files: &[],
    environment: &[],
    see_also: &["ffmpeg(1)", "mpv(1)"],
    ..cli::Manual::new(
        "h5serve",
        "serve live streams to browsers and players over HTTP and WebSocket",
        "h5serve reads live streams, each from stdin, a file or a FIFO, and serves them to any number of viewers. \
         Fragmented MP4, as h5mux writes it, goes out unchanged. Coded video and audio of other formats are muxed into \
         fragmented MP4 first. MJPEG is served as MJPEG. h5serve decodes and encodes nothing.\n\n\
         Without INPUT it reads stdin. A file is served in real time, as if it were live. With --on-eof reopen, \
         h5serve may join a FIFO in the middle of a stream: it skips input up to the next start of a stream.",
    )
};

#[derive(clap::Parser)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
struct Args {
    #[command(subcommand)]
    tool: Option<tools::Tool>,

    /// Stream to serve, and its name: a file, a FIFO, or - for stdin
    ///
    /// A name consists of letters, digits, - and _. Without NAME= it is the name of the file, without its extension. A file in this folder that has
    /// the name of a command is ./passwd or ./link.
    #[arg(value_name = "[NAME=]INPUT")]
    inputs: Vec<String>,

    /// Name of the stream on stdin
    #[arg(long, default_value = "live")]
    name: String,

    /// Address to listen on: HOST:PORT, [IPv6]:PORT, PORT or unix:PATH; may be given several times
    ///
    /// h5serve replaces a Unix socket that a killed server left behind, and no other file of that name.
    #[arg(short, long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: Vec<Listen>,

    /// When an input ends: exit with the last one, keep its viewers and its last picture, or open it again
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = OnEof::Exit)]
    on_eof: OnEof,

    #[command(flatten)]
    access: access::AccessArgs,

    #[command(flatten)]
    reading: reading::Reading,

    #[command(flatten)]
    limits: limits::LimitArgs,

    /// Threads that serve viewers; one thread serves several Gbit/s and takes the least CPU
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,

    /// Origin whose pages may use the streams, such as https://example.org, or * for all; may be given several times
    #[arg(long, value_name = "ORIGIN")]
    cors: Vec<String>,

    /// Another name of this machine, or * for any; may be given several times
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,

    /// Write events of viewers, as lines of JSON, to a file or to an open file descriptor such as 2
    ///
    /// A FIFO without a reader keeps the lines that fit into it.
    #[arg(long, value_name = "FD|FILE")]
    events: Option<events::EventSink>,

    #[command(flatten)]
    common: cli::Common,
}

impl AsRef<cli::Common> for Args {
    fn as_ref(&self) -> &cli::Common {
        &self.common
    }
}

/// How long viewers may take over the last frames when all inputs have ended.
const LAST_FRAMES: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    cli::main_or_tool(&MANUAL, |args: &Args| args.tool.as_ref().map(tools::Tool::run), run)
}

fn run(args: Args, cx: cli::Context) -> anyhow::Result<()> {
    let inputs = args.inputs()?;
    if inputs.iter().any(|input| input.location == InputLocation::Stdin) {
        Stdin::refuse_terminal()?;
    }
    allow_many_files();
    let events = args.events.as_ref().map(|place| events::start(place, &inputs)).transpose()?;
    let access = args.access.access()?;
    let server = Server::bind(&args.options(inputs.len(), events.as_ref(), access.clone())?)?;
    args.access.check(&server)?;
    let registry = server.registry();
    let publishers = inputs.iter().map(|input| registry.publish(&input.name)).collect::<Result<Vec<_>, _>>()?;
    server.addresses().iter().for_each(|address| cli::announce(&args.common, MANUAL.name, address));
    cx.control.allow_hosts(args.host.iter().cloned());
    args.access.follow(&access, &cx);
    report::start(&server, &cx);
    let stopper = server.stopper();
    let readers = start_readers(inputs, publishers, &args, &cx)?;
    let stop = cx.stop.clone();
    let last = std::thread::Builder::new().name("inputs".into()).spawn(move || {
        // However this ends: nothing else stops the server.
        let _stopper = StopAtEnd(stopper);
        let outcome = join(readers, &stop);
        let watched = || registry.streams().iter().any(|s| s.viewers() > 0);
        let until = Instant::now() + LAST_FRAMES;
        while watched() && Instant::now() < until && !stop.wait_for(Duration::from_millis(10)) {}
        outcome
    })?;
    let served = server.run();
    cx.stop.request();
    events.into_iter().for_each(events::Writing::finish);
    let inputs = last.join().unwrap_or_else(|_| anyhow::bail!("the thread that waits for the inputs panicked"));
    served?;
    inputs
}

struct StopAtEnd(Stopper);

impl Drop for StopAtEnd {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// An input's thread, and the stream that it feeds.
struct Reader {
    stream: Arc<Stream>,
    thread: JoinHandle<anyhow::Result<()>>,
    /// The thread is about to end, or has.
    ended: Arc<AtomicBool>,
}

/// Held by the thread of an input. However that ends, [`join`] sees it.
struct EndOfInput {
    ended: Arc<AtomicBool>,
    stop: cli::Stop,
}

impl Drop for EndOfInput {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        self.stop.recheck();
    }
}

fn start_readers(inputs: Vec<Input>, publishers: Vec<Publisher>, args: &Args, cx: &cli::Context) -> anyhow::Result<Vec<Reader>> {
    let start = |(input, publisher): (Input, Publisher)| {
        let (reading, on_eof, cx) = (args.reading.clone(), args.on_eof, cx.clone());
        let stream = publisher.stream().clone();
        let thread = std::thread::Builder::new().name(format!("input {}", input.name));
        let failing = stream.clone();
        let ended = Arc::<AtomicBool>::default();
        let end = EndOfInput { ended: ended.clone(), stop: cx.stop.clone() };
        let serve = move || {
            let _end = end;
            let outcome = input::serve(&input, publisher, &reading, on_eof, &cx);
            outcome.inspect_err(|error| failing.fail(format!("{error:#}")))
        };
        Ok(Reader { stream, thread: thread.spawn(serve).context("thread")?, ended })
    };
    inputs.into_iter().zip(publishers).map(start).collect()
}

/// Waits for all inputs to end, or for a request to stop. One that fails is reported at once if there are others; the first failure is the
/// program's.
fn join(mut readers: Vec<Reader>, stop: &cli::Stop) -> anyhow::Result<()> {
    let alone = readers.len() == 1;
    let mut outcome = Ok(());
    let has_ended = |reader: &Reader| reader.ended.load(Ordering::Acquire);
    loop {
        let is_stopping = stop.wait_or(|| readers.iter().any(has_ended));
        for Reader { stream, thread, .. } in readers.extract_if(.., |reader| has_ended(reader)) {
            let ended = thread.join().unwrap_or_else(|_| {
                stream.fail("its thread panicked".into());
                anyhow::bail!("{}: the input's thread panicked", stream.name)
            });
            if let Err(error) = ended {
                if !alone {
                    tracing::error!("{}: {error:#}", stream.name);
                }
                outcome = outcome.and(Err(error));
            }
        }
        if is_stopping || readers.is_empty() {
            return outcome;
        }
    }
}

impl Args {
    fn inputs(&self) -> anyhow::Result<Vec<Input>> {
        let mut inputs = Vec::new();
        if self.inputs.is_empty() {
            inputs.push(Input { name: self.name.clone(), location: InputLocation::Stdin });
        }
        for given in &self.inputs {
            inputs.push(Input::parse(given, &self.name));
        }
        for (i, input) in inputs.iter().enumerate() {
            if !Registry::allows(&input.name) {
                return Err(cli::usage(format!(
                    "{:?} cannot be the name of a stream: use letters, digits, - and _, as in NAME=INPUT",
                    input.name
                )));
            }
            if inputs[..i].iter().any(|other| other.name == input.name) {
                return Err(cli::usage(format!("two streams named {:?}: use NAME=INPUT", input.name)));
            }
            if input.location == InputLocation::Stdin && inputs[..i].iter().any(|other| other.location == InputLocation::Stdin) {
                return Err(cli::usage("stdin can be only one stream".to_string()));
            }
        }
        Ok(inputs)
    }

    fn options(&self, streams: usize, events: Option<&events::Writing>, access: Access) -> anyhow::Result<Options> {
        Ok(Options {
            listen: self.listen.clone(),
            ring: self.limits.ring(),
            max_streams: streams,
            limits: self.limits.viewers(),
            capacity: self.limits.capacity(streams)?,
            threads: usize::from(self.threads),
            access,
            events: events.map(events::Writing::events).unwrap_or_default(),
            policy: Policy { cors: self.cors.clone(), hosts: self.host.iter().cloned().chain(cli::control::own_names()).collect() },
        })
    }
}

/// A viewer is a file descriptor: as many as the system lets us have.
fn allow_many_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        tracing::warn!("open files stay limited to {:?}: {error}", limit.current);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn inputs(args: &[&str]) -> Result<Vec<String>, String> {
        let args = Args::try_parse_from(["h5serve"].iter().chain(args)).map_err(|e| e.to_string())?;
        Ok(args.inputs().map_err(|e| e.to_string())?.into_iter().map(|i| i.name).collect())
    }

    #[test]
    fn names() {
        assert_eq!(inputs(&[]).unwrap(), ["live"]);
        assert_eq!(inputs(&["--name", "a"]).unwrap(), ["a"]);
        assert_eq!(inputs(&["a=b=c", "/tmp/door.mp4", "-"]).unwrap(), ["a", "door", "live"]);
        for wrong in [&["a=x", "a=y"][..], &["=x"], &["api=x"], &["a.b=x"], &["a/b=x"], &["a=-", "b=-"], &["a b=x"]] {
            assert!(inputs(wrong).is_err(), "{wrong:?}");
        }
    }
}
