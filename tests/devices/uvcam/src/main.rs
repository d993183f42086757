//! uvcam [--port N] [--serial TEXT] [--name TEXT] [--colour RRGGBB] [--log FILE]
//!
//! A USB webcam, as long as it runs; ending it pulls the plug. Needs root and `modprobe vhci-hcd uvcvideo`.
//! SIGUSR1: the next frame is cut short. SIGUSR2: no more frames (a camera that hangs); again: it goes on.

use signal_hook::consts::{SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use uvcam::controls::{Answer, Requests};
use uvcam::descriptors::BULK_ENDPOINT;
use uvcam::scene::ycbcr;
use uvcam::stream::{Stream, Urb};
use uvcam::usbip::{self, Message, Submit};

const HIGH_SPEED: u32 = 3;
const VHCI: &str = "/sys/devices/platform/vhci_hcd.0";

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(what) => {
            eprintln!("uvcam: {what}\nusage: uvcam [--port N] [--serial TEXT] [--name TEXT] [--colour RRGGBB] [--log FILE]");
            return ExitCode::from(2);
        }
    };
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("uvcam: {e}");
            ExitCode::FAILURE
        }
    }
}

struct Options {
    port: Option<u32>,
    serial: String,
    name: String,
    colour: [u8; 3],
    log: Option<String>,
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
        let (serial, name) = ("0001".into(), "h5live Test Camera".into());
        let mut options = Options { port: None, serial, name, colour: ycbcr(0x20_4080), log: None };
        while let Some(flag) = args.next() {
            let value = args.next().ok_or_else(|| format!("{flag}: value missing"))?;
            let bad = |_| format!("{flag}: {value} is no number");
            match flag.as_str() {
                "--port" => options.port = Some(value.parse().map_err(bad)?),
                "--serial" => options.serial = value,
                "--name" => options.name = value,
                "--colour" => options.colour = ycbcr(u32::from_str_radix(&value, 16).map_err(bad)?),
                "--log" => options.log = Some(value),
                _ => return Err(format!("no option {flag}")),
            }
        }
        Ok(options)
    }
}

fn run(options: Options) -> io::Result<()> {
    let log = options.log.map(|path| File::options().create(true).append(true).open(path)).transpose()?;
    let signals = Signals::new([SIGUSR1, SIGUSR2])?;
    let socket = plug(options.port)?;
    let inputs = inputs(socket.try_clone()?, signals);
    let requests = Requests::new(options.name, options.serial);
    let (urbs, colour) = (VecDeque::new(), options.colour);
    Camera { socket, requests, stream: None, urbs, colour, log, hangs: false, cut: false }.run(&inputs)
}

/// Plugs one end of a socket into a port of the virtual host controller, and returns the other.
fn plug(port: Option<u32>) -> io::Result<UnixStream> {
    let (ours, theirs) = UnixStream::pair()?;
    let port = port.map_or_else(free_port, Ok)?;
    let device = 0x1_0002 + port;
    fs::write(format!("{VHCI}/attach"), format!("{port} {} {device} {HIGH_SPEED}", theirs.as_raw_fd()))?;
    eprintln!("uvcam: plugged into port {port}");
    Ok(ours)
}

/// The first high-speed port whose state is 4, "not attached".
fn free_port() -> io::Result<u32> {
    let status = fs::read_to_string(format!("{VHCI}/status"))?;
    let mut ports = status.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let free = ports.find(|fields| matches!(fields[..], ["hs", _, "004", ..]));
    free.and_then(|fields| fields[1].parse().ok()).ok_or_else(|| io::Error::other("no free port"))
}

enum Input {
    Usb(Message),
    Signal(i32),
    Detached,
}

fn inputs(socket: UnixStream, mut signals: Signals) -> Receiver<Input> {
    let (sender, receiver) = mpsc::channel();
    let usb = sender.clone();
    std::thread::spawn(move || {
        while let Ok(message) = usbip::read(&socket) {
            if usb.send(Input::Usb(message)).is_err() {
                return;
            }
        }
        // The receiver is gone when the program ends anyway.
        let _ = usb.send(Input::Detached);
    });
    std::thread::spawn(move || signals.forever().try_for_each(|signal| sender.send(Input::Signal(signal))));
    receiver
}

struct Camera {
    socket: UnixStream,
    requests: Requests,
    stream: Option<Stream>,
    urbs: VecDeque<Urb>,
    colour: [u8; 3],
    log: Option<File>,
    /// No frames for now.
    hangs: bool,
    /// The next frame is to be cut short.
    cut: bool,
}

impl Camera {
    fn run(mut self, inputs: &Receiver<Input>) -> io::Result<()> {
        const FOREVER: Duration = Duration::from_secs(3600);
        loop {
            let due = self.stream.as_ref().filter(|_| !self.hangs).and_then(|stream| stream.idle(Instant::now()));
            match inputs.recv_timeout(due.unwrap_or(FOREVER)) {
                Ok(Input::Usb(message)) => self.handle(message)?,
                Ok(Input::Signal(SIGUSR1)) => self.cut = true,
                Ok(Input::Signal(_)) => self.hangs = !self.hangs,
                Ok(Input::Detached) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => unreachable!("the threads that send live as long as the program"),
            }
            let Some(stream) = &mut self.stream else { continue };
            if !self.hangs {
                stream.draw(Instant::now(), &mut self.cut, self.log.as_mut())?;
            }
            stream.send(&mut self.urbs, &self.socket)?;
        }
    }

    fn handle(&mut self, message: Message) -> io::Result<()> {
        match message {
            Message::Unlink { sequence, victim } => {
                let queued = self.urbs.len();
                self.urbs.retain(|urb| urb.sequence != victim);
                let status = if self.urbs.len() < queued { usbip::UNLINKED } else { usbip::OK };
                usbip::unlinked(&self.socket, sequence, status)
            }
            Message::Submit(urb) if urb.endpoint == BULK_ENDPOINT && urb.input => {
                self.urbs.push_back(Urb { sequence: urb.sequence, length: urb.length });
                Ok(())
            }
            Message::Submit(urb) if urb.endpoint == 0 => self.control(&urb),
            Message::Submit(urb) => usbip::complete(&self.socket, urb.sequence, usbip::STALLED, 0, &[]),
        }
    }

    fn control(&mut self, urb: &Submit) -> io::Result<()> {
        let data = match self.requests.answer(urb.setup, &urb.data) {
            Answer::Stall => return usbip::complete(&self.socket, urb.sequence, usbip::STALLED, 0, &[]),
            Answer::Data(data) => data,
            Answer::Start => {
                let mode = self.requests.committed;
                eprintln!(
                    "uvcam: streams {:?} {}x{} every {} us",
                    mode.coding(),
                    mode.size().width,
                    mode.size().height,
                    mode.interval / 10
                );
                self.stream = Some(Stream::new(mode, self.colour, Instant::now()));
                Vec::new()
            }
            Answer::Stop => {
                if let Some(stream) = self.stream.take() {
                    eprintln!("uvcam: stops after {} frames", stream.frames());
                }
                Vec::new()
            }
        };
        let sent = &data[..data.len().min(urb.length)];
        let length = if urb.input { sent.len() } else { urb.length };
        usbip::complete(&self.socket, urb.sequence, usbip::OK, length, &[sent])
    }
}
