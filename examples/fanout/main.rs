//! Measures what it costs to hand one stream to many viewers: used by the scripts in benches.
//!
//! ```text
//! fanout source SECONDS [KBITS]              a live stream of 3.15 Mbit/s, or of so many kbit/s, on stdout: fragmented MP4, 30 frames a second
//! fanout bare PORT                           the same bytes from stdin to every connection by a bare loop of write(2)
//! fanout load PORT N SECONDS PID [asleep]    N viewers; what the server PID spends on them, as JSON
//! fanout load PORT N SECONDS PID tls         the same over TLS 1.3 with AES-128-GCM, whatever the certificate
//! fanout get PORT PATH N SECONDS PID          N clients that ask for the same file again and again; what the server PID spends on them
//! fanout watch PORT N SECONDS parts            N players of HLS of low latency: how late each part is there, and what was asked for, as JSON
//! fanout watch PORT N SECONDS segments         N players of HLS, of whole segments
//! fanout first PORT N                        how long a new viewer waits for its first byte, N times
//! ```

mod answer;
mod bare;
mod first;
mod get;
mod load;
mod source;
mod tls;
mod watch;
mod wire;

fn main() -> std::io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("{text:?} is no number"));
    match words[..] {
        ["source", seconds] => source::run(number(seconds), source::USUAL),
        ["source", seconds, kbits] => source::run(number(seconds), number(kbits)),
        ["bare", port] => bare::run(number(port) as u16),
        ["load", port, viewers, seconds, pid, ref how @ ..] => load::run(
            number(port) as u16,
            number(viewers) as usize,
            number(seconds),
            number(pid),
            load::LoadOptions { asleep: how == ["asleep"], tls: how == ["tls"] },
        ),
        ["get", port, path, clients, seconds, pid] => {
            get::run(number(port) as u16, path, number(clients) as usize, number(seconds), number(pid))
        }
        ["watch", port, players, seconds, what @ ("parts" | "segments")] => {
            watch::run(number(port) as u16, number(players) as usize, number(seconds), what == "parts")
        }
        ["first", port, count] => first::run(number(port) as u16, number(count) as usize),
        _ => panic!("see the head of examples/fanout/main.rs"),
    }
}
