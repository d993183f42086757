//! The manual page of h5mux.

use h5live::cli;

pub const MANUAL: cli::Manual = cli::Manual {
    examples: &[
        ("Put a camera on a web page", "h5cap test | h5enc | h5mux | h5serve"),
        ("Record while serving; the file plays even after a crash", "h5cap test | h5enc | h5mux | tee show.mp4 | h5serve"),
        ("A coded file or stream, without encoding it again", "ffmpeg -i clip.mp4 -c copy -f nut -flush_packets 1 - | h5mux > show.mp4"),
        ("Raw H.264 from a camera program, timed by arrival", "rpicam-vid -t 0 -o - | h5mux --live | h5serve"),
    ],
    groups: &[("Output", &["output", "fragment", "no_clock", "late"]), ("Input", &["input_format", "rate", "live"])],
    sections: &[
        (
            "OUTPUT",
            "h5mux writes an initialization segment, then chunks of one track each. A chunk has the wall-clock time \
             of capture (before video), the movie fragment header with its exact decode time, and the frames, byte for \
             byte as they came in (but see KEYFRAMES). Video is H.264, H.265 or AV1. Audio is AAC, Opus, FLAC or MP3. \
             h5mux leaves out a track that browsers do not play from MP4, and names it in a warning. If no track is \
             left, that is an error with advice.\n\n\
             A file given with --output keeps its content until there is something to write. It can be played while it \
             grows.\n\n\
             An edit list may cut away pictures that a decoder needs for those after the cut. They stay part of the \
             stream. Each lasts less than a millisecond, right before the first picture that is shown. The player of \
             h5serve(1) does not show them. Another player may show them for a moment. To remove them, encode the clip \
             again.\n\n\
             When the resolution changes, the stream goes on: h5mux puts the new parameter sets before the first \
             picture that needs them. When the tracks themselves change, another initialization segment follows.",
        ),
        (
            "KEYFRAMES",
            "A player starts at a keyframe: an IDR picture of H.264, an IRAP picture of H.265. An H.264 encoder with \
             intra refresh sends recovery points in place of IDR pictures. If no IDR picture comes for two seconds, \
             h5mux takes a recovery point for a keyframe. It sets recovery_frame_cnt to 0 in the SEI message, because \
             Chromium starts at no other. The picture is whole after as many frames as the encoder said. Browsers \
             cannot start in H.265 with intra refresh: they need IDR or CRA pictures.\n\n\
             If frames come for three seconds and none is a keyframe, h5mux warns once. /healthz of --control reports \
             it until a keyframe comes. Set the encoder's keyframe interval to 1 s.",
        ),
        (
            "TIME",
            "The input gives presentation times. h5mux derives decode times from the reorder depth that the stream \
             declares, so B-frames add no delay. The duration of a video frame is nominal, because h5mux writes it \
             before the next frame arrives. It is never shorter than the recent distance between frames.",
        ),
    ],
    see_also: &["ffmpeg(1)", "mpv(1)"],
    ..cli::Manual::new(
        "h5mux",
        "turn coded video and audio into fragmented MP4, one chunk per frame",
        "h5mux reads coded video and audio from stdin or a file, in any format of h5pipe(5): Matroska, MP4, NUT, \
         H.264 or H.265 byte streams, ADTS. It writes CMAF, which is fragmented MP4, to stdout. The output suits \
         h5serve(1), players and files; a file plays even if h5mux was killed.",
    )
};
