//! `h5serve`: streams in, viewers out. Arguments -> inputs -> publishers | the server.

mod access;
mod account;
mod decoder;
mod events;
mod follow;
mod groups;
mod hls;
mod ingest;
mod input;
mod limits;
mod manual;
mod publish;
mod publishers;
mod reading;
mod record;
mod record_switch;
mod report;
mod sandbox;
mod self_signed;
mod splicer;
mod tls;
mod tools;
mod watch;
mod writer_input;

use anyhow::Context as _;
use h5live::cli;
use h5live::pipe::stdio::Stdin;
use h5live::serve::{Access, Group, Groups, Listen, Options, Policy, Publisher, Recordings, Registry, Server, Stopper, Stream, Tls};
use input::{Input, InputLocation, OnEof};
use manual::MANUAL;
use publishers::Publishers;
use record::Record as _;
use record_switch::Switches;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

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

    /// Streams of one picture in several qualities, the best first, under one name: page, player and HLS offer all of them; may be given several times
    ///
    /// Each is a stream of this server, and can be had by its own name too. Who may see the group may see all of it.
    #[arg(long, value_name = "NAME=STREAM,STREAM")]
    group: Vec<Group>,

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
    tls: tls::TlsArgs,

    #[command(flatten)]
    reading: reading::Reading,

    #[command(flatten)]
    hls: hls::HlsArgs,

    #[command(flatten)]
    record: cli::RecordArgs,

    /// Record nothing until it is asked for by PUT /record on the control endpoint
    ///
    /// scripts/h5-record asks for it, as from cron.
    #[arg(long, requires = "record")]
    record_on_demand: bool,

    #[command(flatten)]
    publish: publish::PublishArgs,

    #[command(flatten)]
    limits: limits::LimitArgs,

    /// Threads that serve viewers; one thread serves several Gbit/s and takes the least CPU
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,

    /// Origin whose pages may use the streams, such as https://example.org, or * for all; may be given several times
    #[arg(long, value_name = "ORIGIN")]
    cors: Vec<String>,

    /// Origin whose pages may show the page of a stream in a frame, such as https://example.org, or * for all; may be given several times
    #[arg(long, value_name = "ORIGIN", value_parser = frame_origin)]
    embed: Vec<String>,

    /// Another name of this machine, or * for any; may be given several times
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,

    #[command(flatten)]
    proxies: access::ProxyArgs,

    /// Go on as this user, once the addresses are listened on
    ///
    /// For a server that root starts, to listen on port 80 or 443. That user has to be able to read the inputs, and the files that are read again.
    #[arg(long, value_name = "NAME")]
    user: Option<account::Account>,

    /// Do not give up what a server has no use for
    ///
    /// On Linux h5serve reads only the folders of the files that it was given, starts no programs and connects to nothing but the service of --auth-url: a mistake in it
    /// opens no more than that (Landlock, seccomp). See section SANDBOX.
    #[arg(long)]
    no_sandbox: bool,

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
    cli::main_or_tool(&MANUAL, |args: &Args| args.tool.as_ref().map(tools::Tool::run), confine, run)
}

/// Before there are threads: what is not needed is given up.
fn confine(args: &Args) -> anyhow::Result<()> {
    args.tls.prepare(&args.listen, &args.names())?;
    args.record.prepare()?;
    if args.no_sandbox {
        return Ok(());
    }
    let inputs = args.inputs()?.into_iter().filter_map(|input| match input.location {
        InputLocation::Stdin => None,
        InputLocation::Path(path) => Some(path),
    });
    let unix = |listen: &Listen| match listen {
        Listen::Unix(path) => Some(path.clone()),
        Listen::Tcp(_) => None,
    };
    sandbox::enter(&sandbox::Needs {
        read: inputs.chain(args.access.files().cloned()).chain(args.tls.read()).chain(args.common.control_token_file.clone()).collect(),
        keep: args.record.folder().into_iter().collect(),
        append: args.events.iter().map(events::EventSink::path).collect(),
        sockets: args.listen.iter().filter_map(unix).collect(),
        connects: args.access.connects(),
    })
}

fn run(args: Args, cx: cli::Context) -> anyhow::Result<()> {
    let inputs = args.inputs()?;
    if inputs.iter().any(|input| input.location == InputLocation::Stdin) {
        Stdin::refuse_terminal()?;
    }
    groups::check(&args.group, &inputs)?;
    allow_many_files();
    let events = args.events.as_ref().map(|place| events::start(place, &inputs)).transpose()?;
    let access = args.access.access()?;
    let tls = args.tls.choose(&args.listen)?;
    let certificate = tls.tls.clone();
    let shelf = args.record.shelf();
    let taken = inputs.iter().map(|input| input.name.clone()).chain(args.group.iter().map(|group| group.name.clone())).collect();
    let uploads = args.publish.publishers(taken, &args.reading);
    let options = Options {
        publishing: uploads.clone().map(|uploads| args.publish.options(uploads)),
        recordings: shelf.clone().map(|shelf| shelf as Arc<dyn Recordings>),
        ..args.options(inputs.len() + args.publish.streams(), events.as_ref(), access.clone(), tls)?
    };
    let listeners = options.events.clone();
    cli::follow_log(move |line| listeners.log_line(line));
    let server = Server::bind(&options)?;
    args.proxies.check()?;
    args.access.check(&server)?;
    args.user.as_ref().map_or(Ok(()), account::Account::assume)?;
    let registry = server.registry();
    let recording = args.record.start(args.limits.ring(), shelf.as_ref(), Switches::new(args.record_on_demand))?.map(Arc::new);
    let mut publishers = inputs.iter().map(|input| registry.publish(&input.name)).collect::<Result<Vec<_>, _>>()?;
    if let Some(recording) = &recording {
        publishers.iter_mut().try_for_each(|publisher| recording.record(publisher))?;
        recording.control(&cx.control);
    }
    server.addresses().iter().for_each(|address| cli::announce(&args.common, MANUAL.name, address));
    if let Some(fingerprint) = certificate.as_ref().filter(|_| args.tls.is_self_signed()).map(Tls::fingerprint) {
        cli::announce(&args.common, MANUAL.name, &format!("certificate, SHA-256: {fingerprint}"));
    }
    cx.control.allow_hosts(args.host.iter().cloned());
    args.access.follow(&access, &cx);
    args.tls.follow(certificate.as_ref(), &cx);
    report::start(&server, &cx, recording.as_deref());
    #[cfg(feature = "testing")]
    sandbox::add_escapes(&cx.control);
    if let Some(uploads) = &uploads {
        uploads.open(registry.clone(), &cx, recording.as_ref());
    }
    let stopper = server.stopper();
    let published = uploads.clone();
    let readers = start_readers(inputs, publishers, &args, &cx)?;
    let stop = cx.stop.clone();
    let last = std::thread::Builder::new().name("inputs".into()).spawn(move || {
        // However this ends: nothing else stops the server.
        let _stopper = StopAtEnd(stopper);
        let outcome = join(readers, &stop, uploads.is_some());
        let watched = || registry.streams().iter().any(|s| s.viewers() > 0);
        let until = Instant::now() + LAST_FRAMES;
        while watched() && Instant::now() < until && !stop.wait_for(Duration::from_millis(10)) {}
        outcome
    })?;
    let served = server.run();
    cx.stop.request();
    events.into_iter().for_each(events::Writing::finish);
    let inputs = last.join().unwrap_or_else(|_| anyhow::bail!("the thread that waits for the inputs panicked"));
    published.iter().for_each(Publishers::close);
    // What was published last is still written.
    drop(recording);
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
/// program's. `publishing`: without inputs there may be streams too.
fn join(mut readers: Vec<Reader>, stop: &cli::Stop, publishing: bool) -> anyhow::Result<()> {
    let alone = readers.len() == 1 && !publishing;
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
        if is_stopping || (readers.is_empty() && !publishing) {
            return outcome;
        }
    }
}

impl Args {
    fn inputs(&self) -> anyhow::Result<Vec<Input>> {
        let mut inputs = Vec::new();
        if self.inputs.is_empty() && !self.publish.publish {
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

    /// The names of this machine.
    fn names(&self) -> Vec<String> {
        self.host.iter().cloned().chain(cli::control::own_names()).collect()
    }

    fn options(&self, streams: usize, events: Option<&events::Writing>, access: Access, tls: tls::TlsOptions) -> anyhow::Result<Options> {
        let capacity = self.limits.capacity(streams, tls.tls.is_some())?;
        Ok(Options {
            listen: self.listen.clone(),
            tls: tls.tls,
            redirect: tls.redirect,
            hsts: tls.hsts,
            ring: self.limits.ring(),
            max_streams: streams,
            groups: Groups::new(self.group.clone()),
            limits: self.limits.viewers(),
            capacity,
            hls: self.hls.options(),
            threads: usize::from(self.threads),
            access,
            events: events.map(events::Writing::events).unwrap_or_default(),
            decoder: decoder::decoder(),
            recordings: None,
            publishing: None,
            proxies: self.proxies.proxies(),
            base_path: self.proxies.base_path.clone(),
            policy: Policy { cors: self.cors.clone(), frames: self.embed.clone(), hosts: self.names() },
        })
    }
}

/// `--embed`: `*`, or a scheme, a host and perhaps a port. What is more would be another part of the policy.
fn frame_origin(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).map(|host| host.strip_suffix('/').unwrap_or(host));
    let plain = |host: &&str| !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b));
    match host.filter(plain) {
        Some(_) => Ok(text.trim_end_matches('/').to_owned()),
        None if text == "*" => Ok(text.to_owned()),
        None => Err("expected an origin such as https://example.org, or *".into()),
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
    fn origins_of_frames() {
        assert_eq!(frame_origin("https://example.org/"), Ok("https://example.org".into()));
        assert_eq!((frame_origin("http://[::1]:80"), frame_origin("*")), (Ok("http://[::1]:80".into()), Ok("*".into())));
        for wrong in ["", "example.org", "https://", "https://a b", "https://a;script-src *", "https://a/path", "'self'"] {
            assert!(frame_origin(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names() {
        assert_eq!(inputs(&[]).unwrap(), ["live"]);
        assert_eq!(inputs(&["--name", "a"]).unwrap(), ["a"]);
        assert!(inputs(&["--publish"]).unwrap().is_empty());
        assert_eq!(inputs(&["--publish", "-"]).unwrap(), ["live"]);
        assert_eq!(inputs(&["a=b=c", "/tmp/door.mp4", "-"]).unwrap(), ["a", "door", "live"]);
        for wrong in [&["a=x", "a=y"][..], &["=x"], &["api=x"], &["a.b=x"], &["a/b=x"], &["a=-", "b=-"], &["a b=x"]] {
            assert!(inputs(wrong).is_err(), "{wrong:?}");
        }
    }
}
