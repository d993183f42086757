//! From the SOURCEs on the command line to a source, and from the arguments to its options.

use crate::args::Args;
use h5live::cli;
use h5live::media::OverflowPolicy;
use h5live::source::{self, Found, Options, Setting};

/// Without a source, it is the first camera.
const DEFAULT: &str = "camera";

/// The source of the arguments. Arguments that mean nothing for it are refused.
pub fn find(args: &Args) -> anyhow::Result<Found> {
    let first = args.sources.first().map_or(DEFAULT, String::as_str);
    let mut found = source::find(first, args.follow)?;
    let alone = |text: &str| cli::usage(format!("{text}: only pictures can be several; take one source at a time"));
    if args.sources.len() > 1 && !found.kind.several {
        return Err(alone(first));
    }
    for text in args.sources.iter().skip(1) {
        let mut other = source::find(text, args.follow)?;
        if !std::ptr::eq(found.kind, other.kind) {
            return Err(alone(text));
        }
        found.addresses.append(&mut other.addresses);
    }
    usable(args, &found)?;
    Ok(found)
}

fn usable(args: &Args, found: &Found) -> anyhow::Result<()> {
    let given = [
        (args.repeat, Setting::Again, "--loop is for files and pictures: this source cannot be read again"),
        (args.follow, Setting::Follow, "--follow is for directories and files of pictures"),
        (args.size.is_some(), Setting::Size, "--size is for the test picture and cameras; h5enc --size scales"),
        (args.pixel_format.is_some(), Setting::PixelFormat, "--pixel-format is for the test picture"),
        (args.audio.device().is_some(), Setting::Microphone, "--audio is for cameras; for sound alone: h5cap microphone:DEVICE"),
        (args.no_audio, Setting::NoAudio, "--no-audio is for the test picture"),
        (args.input_format.is_some(), Setting::InputFormat, "--input-format is for streams"),
        (args.live, Setting::Arrival, "--live is for streams"),
        (args.network.is_given(), Setting::Network, "--password-file is for cameras on a network"),
        (args.network.has_fingerprint(), Setting::Tls, "--tls-fingerprint is for https, wss and rtsps"),
        (args.network.has_transport(), Setting::Transport, "--transport is for cameras on a network"),
    ];
    match given.iter().find(|(given, setting, _)| *given && !found.kind.accepts.contains(setting)) {
        Some((_, _, what)) => Err(cli::usage(*what)),
        None => Ok(()),
    }
}

/// The arguments into the options of the source.
///
/// # Errors
/// A password cannot be read.
pub fn set(args: &Args, options: &mut Options, found: &Found) -> anyhow::Result<()> {
    options.duration = args.duration;
    options.size = args.size;
    options.rate = args.rate;
    options.pixel_format = args.pixel_format;
    options.audio = !args.no_audio;
    options.again = args.repeat;
    options.follow = args.follow;
    options.pace = if args.pace { Some(true) } else { args.no_pace.then_some(false) };
    options.microphone = args.audio.device().map(str::to_owned);
    args.camera.set(options);
    args.loss.set(options);
    args.network.set(options)?;
    // What is live does not wait for a slow reader.
    let late = if found.is_live(options) { OverflowPolicy::Drop } else { OverflowPolicy::Block };
    options.late = args.late.unwrap_or(late);
    Ok(())
}
