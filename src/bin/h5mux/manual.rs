//! The manual page of h5mux.

use h5live::cli;

pub const MANUAL: cli::Manual = cli::Manual {
    examples: &[
        ("Put a camera on a web page", "h5cap test | h5enc | h5mux | h5serve"),
        ("Record while serving; the file plays even after a crash", "h5cap test | h5enc | h5mux | tee show.mp4 | h5serve"),
        (
            "HLS in a folder, for the web server that shows it; and the page of h5serve beside it",
            "h5cap test | h5enc | h5mux --hls live | h5serve",
        ),
        ("HLS at a server that takes files", "h5cap test | h5enc | h5mux --put https://media.example.org/live --put-token-file token"),
        ("Recordings of ten minutes, a week of them", "h5cap test | h5enc | h5mux --record recordings --keep 7d | h5serve"),
        ("A recording as HLS", "h5mux --hls film film.mp4 > /dev/null"),
        ("A coded file or stream, without encoding it again", "ffmpeg -i clip.mp4 -c copy -f nut -flush_packets 1 - | h5mux > show.mp4"),
        ("Raw H.264 from a camera program, timed by arrival", "rpicam-vid -t 0 -o - | h5mux --live | h5serve"),
    ],
    groups: &[
        ("Output", &["output", "fragment", "no_clock", "late"]),
        ("HLS", &["hls", "put", "put_token_file", "segment", "hls_window"]),
        ("Recording", &["record", "record_name", "record_segment", "keep", "keep_size", "min_free"]),
        ("Input", &["input_format", "rate", "live"]),
    ],
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
            "HLS",
            "With --hls, --put or both, h5mux makes HLS as well: index.m3u8, a playlist for video and one for audio, and segments of CMAF. Any web server can \
             show them, and rsync or an object store can pass them on. Segments have the names, numbers and bytes that h5serve(1) gives them with the \
             same --segment. There are no parts: they need a server that lets players wait. A viewer is about three segments late, plus one.\n\n\
             stdout gets the stream as well where it is a pipe or a file. A slow store does not hold it up.\n\n\
             --hls writes each file under a hidden name (.h5mux-NAME) and renames it. h5mux deletes a segment when no player can want it any more: it has left the \
             playlist for as long as --hls-window and three segments more. Another run in the same folder goes on with the numbers, and deletes what \
             the run before has left, after the same time. Files of other names are not touched.\n\n\
             --put sends each file by HTTP PUT, and DELETE for what is to be deleted. Where the server deletes nothing, h5mux says so once and goes on. \
             Another run asks for the playlists that the run before has left there, for two seconds at most, goes on with their numbers, and deletes what they name. Segments \
             that had left them already stay: let the server delete what is old. The folder must be there. A certificate is good if the system knows its \
             authority, or SSL_CERT_FILE has it. The server may want a token (--put-token-file), or a user and a password, which can stand in the URL; but then the list of \
             processes shows them. An URL s3://BUCKET/PATH is for Amazon S3 and what speaks like it. Its requests are signed with the key in the \
             environment. h5mux follows no redirect, and uses no proxy.\n\n\
             A playlist goes after everything that it names. When a store does not take a file, h5mux tries again, up to every 1.6 s. It says so once, and \
             /healthz of --control reports it until the store is back. What is still in the window then goes there; older segments are lost, and h5mux says how many. \
             /metrics counts them: h5mux_store_files_total, h5mux_store_failures_total, h5mux_store_lost_segments_total.\n\n\
             When the input ends, so do the playlists. When h5mux is stopped by a signal, they stay open: players wait for another run. An input \
             that is a file is kept as a whole: its playlists come at the end and list everything, whatever --hls-window says.",
        ),
        (
            "RECORDING",
            "With --record, h5mux writes the stream into DIR/NAME/2026-11-26/18-20-00.000Z.mp4 as well, where NAME is --record-name. Files, what they survive and what \
             is deleted are as in h5serve(1). A disk that is full or fails does not hold the stream up: h5mux says so once and in /healthz of --control, and tries again.",
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
    environment: &[
        (
            "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN",
            "The key for --put s3://BUCKET/PATH; the last one where there is one.",
        ),
        ("AWS_REGION", "The region of the bucket. Without it: us-east-1."),
        ("AWS_ENDPOINT_URL", "Where S3 is, if it is not Amazon's: such as http://127.0.0.1:9000. A bucket is a folder there."),
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
