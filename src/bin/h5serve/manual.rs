//! What the manual says of h5serve besides its options.

use h5live::cli;

pub const MANUAL: cli::Manual = cli::Manual {
    examples: &[
        ("The test picture, live at http://127.0.0.1:8080/:", "h5cap test | h5enc | h5mux | h5serve"),
        ("What ffmpeg sends, without encoding it again:", "ffmpeg -re -i FILE -c copy -f nut -flush_packets 1 - | h5serve"),
        (
            "Two cameras by FIFO; each writer may come and go:",
            "mkfifo door.mp4 yard.mp4; h5serve --on-eof reopen door=door.mp4 yard=yard.mp4",
        ),
        (
            "One picture in two qualities, which two encoders write:",
            "mkfifo hd.mp4 sd.mp4; h5serve --on-eof reopen --group cam=cam-hd,cam-sd cam-hd=hd.mp4 cam-sd=sd.mp4",
        ),
        ("A file in an endless loop, for the whole network:", "h5serve --listen 0.0.0.0:8080 --public --on-eof reopen demo=show.mp4"),
        ("Record it too, and keep a week of it:", "h5cap test | h5enc | h5mux | h5serve --record recordings --keep 7d --min-free 2G"),
        ("The last ten seconds, as a file:", "curl -OJ 'http://127.0.0.1:8080/live/clip.mp4?from=-10s'"),
        ("Send a stream to an h5serve that runs with --publish:", "h5cap test | h5enc | curl -T - http://127.0.0.1:8080/in/cam"),
        ("Watch it by HLS:", "ffplay http://127.0.0.1:8080/live/index.m3u8"),
        ("Watch it without a browser:", "mpv --profile=low-latency http://127.0.0.1:8080/live.mp4"),
        ("A token for a program that may watch door1, door2, ...:", "h5serve passwd users recorder --token --rights 'door*=view'"),
        ("A key, and a link to one stream for a day:", "h5serve link --key link.key --new-key --stream door1 --ttl 1d"),
    ],
    groups: &[
        (
            "Access",
            &[
                "listen",
                "users",
                "link_key",
                "public",
                "auth_url",
                "auth_cache",
                "cdn_secret",
                "host",
                "cors",
                "embed",
                "user",
                "no_sandbox",
            ],
        ),
        ("Behind a proxy", &["trusted_proxy", "proxy_protocol", "base_path"]),
        ("TLS", &["tls_cert", "tls_key", "tls_self_signed", "redirect_http", "hsts"]),
        ("Inputs", &["name", "group", "on_eof", "input_format", "rate", "live"]),
        ("Viewers", &["lag", "stall", "threads", "events"]),
        ("HLS", &["segment", "part", "hls_window"]),
        ("Publishing", &["publish", "publish_public", "publish_streams", "publish_rate", "publish_idle", "publish_keep"]),
        ("Recording", &["record", "record_on_demand", "record_segment", "keep", "keep_size", "min_free"]),
        (
            "Limits",
            &[
                "ring",
                "memory",
                "max_viewers",
                "max_viewers_per_stream",
                "max_viewers_per_user",
                "max_connections_per_address",
                "max_requests_per_address",
            ],
        ),
    ],
    sections: &[
        (
            "ROUTES",
            "NAME is the name of a stream, as given on the command line.\n\n    \
             /                 the page: the stream, or all of them\n    \
             /NAME             the page of one stream; its Link header names the WebSocket, so that h5cap(1) takes this address too\n    \
             /NAME.mp4         endless fragmented MP4, from the newest keyframe on; ?codecs=avc1 for the video alone\n    \
             /NAME.mjpg        MJPEG streams: multipart/x-mixed-replace, the newest picture whenever there is room for one\n    \
             /NAME.jpg         the newest picture as JPEG; of H.264, the newest keyframe, decoded when it is asked for, at most once a second. ?width=640 scales it down; with ?optional=1 the answer is 204 where there is none; ?at=TIME is one of before: see section RECORDING\n    \
             /NAME.h264        the same stream as H.264 alone (Annex B), /NAME.ts as MPEG-TS, /NAME.flv as FLV, each over HTTP or a WebSocket\n    \
             /wfs/NAME         WebSocket for wfs.js, of both authors; a WebSocket at /NAME is the same\n    \
             /video_feed       the first MJPEG stream, or ?src=NAME, as many a Flask page has it\n    \
             /api/events       server-sent events: join, leave, drop, stall, error of the streams that one may see. With the right admin, addresses and the log\n    \
             /NAME/index.m3u8  HLS, with low latency: see section HLS\n    \
             /NAME/clip.mp4    ?from=TIME&to=TIME, what was before as an MP4 file: see section RECORDING\n    \
             /NAME/rec.json    JSON: which times were recorded\n    \
             /NAME/rec/        the recordings as a page; index.json, and the same of a day, as JSON; each by its name; index.m3u8?from=TIME&to=TIME for players of HLS;\n    \
             \x20                 2026-11-26.mp4 for a day (UTC) as one file, index.mp4?from=TIME&to=TIME for any time of 25 hours at most\n    \
             /in/NAME          PUT, POST or a WebSocket: the stream NAME comes from this client; in a browser, a page that sends the camera: see section PUBLISHING\n    \
             /h5live.js        the player, a web component: <h5-live src=\"/api/ws?src=NAME\">\n    \
             /api/ws?src=NAME  WebSocket: the messages of go2rtc's MSE and MJPEG modes; with &codecs=LIST the stream begins at once\n    \
             /api/login        the page that asks for name and password, and its form; /api/logout ends a session\n    \
             /api/streams      JSON: name, state, codecs, size, frame rate, bit rate, viewers and trouble of every stream, and whether there are recordings of it",
        ),
        (
            "VIEWERS",
            "All viewers read from one ring of chunks per stream; nothing is copied or queued for each. A new viewer \
             starts at the newest keyframe. A viewer that falls behind by more than --lag, or by a sixth of it that it does not \
             catch up, goes on at the newest keyframe and is told how many frames it lost. h5serve closes a viewer that takes nothing at all for \
             --stall. A slow viewer costs the others nothing.\n\n\
             h5serve notices when a client goes away, whether the stream runs or stands still. A client may end its \
             side of an HTTP connection and read on. h5serve then checks now and then whether it is still there: it \
             sends an empty box of MP4, or what is as empty in another form, or the JPEG picture once more.\n\n\
             If frames come but no viewer can start, h5serve warns once. While that lasts, /healthz, the page and the \
             member trouble in /api/streams report it, and NAME.mp4 answers 503. The reasons are no-keyframe (none for \
             three seconds), no-picture (only audio comes) and keyframe-lost (a group of pictures is larger than \
             --ring, so the newest keyframe is not kept). Set the encoder's keyframe interval to 1 s.\n\n\
             h5serve takes --ring of memory for each stream. Each viewer takes at most 8 KiB over WebSocket and 20 KiB \
             over HTTP, besides what the kernel keeps of its socket; TLS adds up to 54 KiB, most of it only while a viewer is slow. Pictures that slow viewers are in the middle of \
             are part of --ring, and so are the other forms of a stream while they are watched. When they fill half of it, h5serve closes the viewer with the oldest one. If no file \
             descriptor is free (see ulimit -n), h5serve answers with status 503.\n\n\
             With --memory there are no more viewers and connections than fit into so much memory. Who comes beyond a limit gets status 503, or \
             429 for requests that come too fast, a line that says which limit it is, and Retry-After. h5serve warns of each limit, at most every \
             30 seconds.",
        ),
        (
            "HLS",
            "Players that speak HLS get /NAME/index.m3u8. It names a playlist of the video and one of the audio; where the input's fragments have several \
             tracks, one playlist of all. Parts, segments and playlists are made when they are asked for, from the same chunks that other viewers get. A \
             stream that is not asked for costs nothing. MJPEG streams have no HLS.\n\n\
             Times and names follow from the decode times in the stream alone. So two h5serve that one h5mux feeds give the same names the same bytes, \
             and a cache may ask either. Where fragments tell when they were captured, as those of h5mux do, names count from 1970: a restart uses \
             none of them again, and caches may keep parts and segments for a year. Otherwise they may keep them for a minute.\n\n\
             --segment should be no shorter than the encoder's keyframe interval: in the time of a segment without a keyframe, the segment begins without \
             one. No segment is longer than one and a half times --segment, rounded up to seconds. A part is 92 to 108 % of --part long where the frame rate allows \
             it. h5serve keeps what a playlist lists, --hls-window, and three segments more, as far as --ring has room.\n\n\
             Requests for a part or a playlist that is not there yet wait for it, for three target durations at most; then status 503 is the answer. \
             As many may wait as there may be viewers, and of each address as many as it may have connections. Viewers of HLS are not counted as viewers. \
             They make ten requests a second and more: see --max-requests-per-address for many behind one address, and --trusted-proxy for a cache. \
             examples/hls.vcl is for Varnish.",
        ),
        (
            "RECORDING",
            "With --record, h5serve writes every stream into DIR/NAME/2026-11-26/18-20-00.000Z.mp4, with the bytes that viewers get. A recording is \
             fragmented MP4, which players open at any moment, also while it is written. It begins at a keyframe; its name is the UTC of its first \
             picture. It is cut at the first keyframe after --record-segment, and where the stream has a pause or other tracks. MJPEG is not recorded.\n\n\
             What was written survives when h5serve is killed, and all but the last two seconds survive a loss of power. The next start cuts off what \
             is not whole. When the disk is full, fails or is too slow, h5serve goes on live without recording, says so once and in /healthz, and tries \
             again every two seconds.\n\n\
             --keep, --keep-size and --min-free delete the oldest recordings, whichever bites first, but never what is being written. A clock that was \
             set forward is not believed for six hours. Without these options nothing is deleted. Only one program records into a folder.\n\n\
             /NAME/clip.mp4?from=TIME&to=TIME is what was captured between these two, as one MP4 file with its movie header first. TIME is as in \
             2026-11-26T18:20:00Z, or -10s, -5m, -2h before now; without to it ends now. It is out of the recordings, or out of the ring where there is \
             none of that time. Nothing is encoded: the file has the frames from the keyframe before on, and its edit list begins at the picture that was on \
             the screen at from. Range and If-Range are understood. A clip is an hour long at most, and ends where the tracks change. \
             /NAME/rec.json has the spans of time that were recorded, the gaps between them and their sizes; from and to are understood. Its member ring says what can be seen again without a recording. \
             /NAME.jpg?at=TIME is the keyframe that was on the screen then, out of the ring or the recordings; Content-Location says when it was captured. All need the right rewind.\n\n\
             With --record-on-demand nothing is recorded until it is asked for on the control endpoint: PUT /record with \
             {\"stream\":\"door\",\"value\":true,\"for\":\"10m\"}. Without stream it is for all, without for until false is sent; without the option all streams begin with true. GET /record \
             lists the streams. scripts/h5-record does the same from cron. PUT /NAME/record does it for one stream at the address of the server, and GET tells, for those who have the right \
             record. Streams of --publish are recorded as well.\n\n\
             On the WebSocket of a stream, {\"type\":\"seek\",\"value\":-30} plays what was 30 seconds before now, out of the recordings or the ring, and the value may be a \
             time; speed, pause, play and step do what they say, and {\"type\":\"live\"} is live again. The server keeps the pace: a player shows what \
             comes. It needs the right rewind. docs/recording.md has the messages.",
        ),
        (
            "PUBLISHING",
            "With --publish, h5serve takes streams that clients send to /in/NAME: by PUT or POST, or over a WebSocket in binary messages of 1 MiB at most, cut \
             anywhere. The stream is recognised as an input is, and is then served under NAME. A body of unknown length is live. One of a known \
             length is a file, and is played in its own time. In a browser /in/NAME is a page that sends the camera; browsers allow that to pages that came by HTTPS or \
             from this machine.\n\n\
             It needs the right publish to NAME. Where no option says who may watch, programs on this machine may publish; with --public that right \
             is still needed, unless --publish-public is given. Pages of other origins may not.\n\n\
             A name that an input, a group or another client has is refused with status 409, more streams than --publish-streams with 503, what cannot \
             be shown with 400 and the reason, and a client that sends nothing for --publish-idle with 408. Who sends faster than --publish-rate in five seconds, \
             or faster than h5serve reads, is held back by its connection.\n\n\
             When its publisher has gone, a stream stays for --publish-keep. One that comes back in that time continues it under its viewers. \
             Streams that clients send are not recorded.",
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
             record, publish and admin, for all streams or by name: cam=view,rewind door*=view. The server asks for view, \
             for rewind where it is about what was before, for record in /NAME/record, for publish in /in/NAME, and for admin in /api/events. A browser gets a page to log in, and then a cookie. Tools send the \
             name and the password by HTTP Basic, as curl -u does. A program sends its token: Authorization: Bearer TOKEN.\n\n\
             A link is made by h5serve link, without the server, and is good until it ends: /NAME?token=TOKEN, or with \
             the token in the path, /t/TOKEN/NAME. Both are good for pages, every form of the stream, events and the WebSocket. \
             To take all links of a key back, take the key away.\n\n\
             h5serve judges a request when it comes, and who watches once more when a link ends or the files change: within a second it closes who may not watch any more. \
             The list of streams has those that the visitor may see. Wrong passwords are slowed down, by address and by name. \
             Without TLS, names, passwords and tokens can be read on the way.\n\n\
             With --auth-url, h5serve asks an HTTP service about everybody who has no link that --link-key knows: by POST, with a JSON object. Its \
             members are action (view, rewind, record or publish), stream, method, path, query, address, user, password, token and cookie; those that the viewer has not shown \
             are empty. The list and the page of all streams cost a question for each stream, and the WebSocket of a stream two: whether it may be \
             seen, and whether what was before. An answer holds for --auth-cache seconds, for this \
             question alone; who watches is not asked about again. A browser asks for name and password by itself then, or has a cookie \
             of the site.\n\n\
             With --cdn-secret, h5serve lets in the CDN that shows the secret, to pages of streams, to HLS and to NAME.jpg: what a cache can keep.\n\n\
             Pages of other origins may use the streams only if --cors names them, and show the page of a stream in a frame only if --embed \
             does. h5serve refuses a \
             request whose host is not localhost, an address, this machine's own name or a name given with --host. So \
             no web page can reach the streams through a name of its own.",
        ),
        (
            "BEHIND A PROXY",
            "Say with --trusted-proxy where the proxy is. Then --from-ip of links, the slowing down of wrong passwords, the viewers in \
             /stats and --events see the viewer and not the proxy: the rightmost address in X-Forwarded-For that is no trusted proxy, \
             or the one that the PROXY protocol names. What others write into these headers means nothing. The header Forwarded \
             means nothing at all: a proxy that does not write it passes on what the viewer has written.\n\n\
             The proxy decides by which names h5serve can be reached: each name that it sends is known without --host. It is to set \
             X-Forwarded-For itself, or to add to it, and to send Host as it came, or X-Forwarded-Host.\n\n\
             Under a path, such as https://example.org/cams/, say --base-path /cams. Cookies are for that path then, and the addresses that \
             h5serve prints have it. The proxy may leave the path in what it asks for, or take it off. A stream of the same name as a \
             path of one part cannot be seen by its page where the proxy takes it off.\n\n\
             Endless answers have the header X-Accel-Buffering: no, by which nginx does not write to its disk what a slow viewer does not take.",
        ),
        (
            "SANDBOX",
            "On Linux h5serve gives up at its start what a server has no use for. It reads the folders of the files that it was given, and a few files \
             of the system. It writes to the file of --events and to the folder of --record. It starts no programs and connects to nothing but the service of --auth-url. A mistake in it then opens \
             no shell and no files of others. Landlock confines files, connections and signals, as far as the kernel has it; a filter of system \
             calls (seccomp) refuses those that start programs, look into others, or change the machine. It gains no privileges by what it \
             starts. -vv says what holds; --no-sandbox leaves all of it out.\n\n\
             --user lets root listen on port 80 or 443 and go on as another user. examples/h5serve.service has a unit for systemd.",
        ),
        (
            "TLS",
            "With --tls-cert and --tls-key, or with --tls-self-signed, h5serve speaks HTTPS on its TCP addresses, with TLS 1.2 and 1.3. \
             Who may watch has to be said all the same. Over a Unix socket it speaks plain HTTP. Plain HTTP that comes to a port of \
             HTTPS is sent to HTTPS, as is all that comes to --redirect-http.\n\n\
             h5serve reads the files again when they change, as certbot changes them. A pair that is not whole or does not fit \
             together leaves the old one in use. Connections that are open go on with the certificate that they began with.\n\n\
             A certificate of --tls-self-signed names this machine, --host and the addresses that are listened on. It is good for \
             800 days, and made anew at a start in the last month of them. h5serve prints its fingerprint: compare it with what the \
             browser shows before you let the browser trust it.\n\n\
             Browsers and curl get HTTP/2. The WebSocket goes over HTTP/1.1, on a connection of its own. A client that has made 1000 \
             requests on one connection of HTTP/2 is asked to open another.",
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
         fragmented MP4 first. MJPEG is served as MJPEG. h5serve decodes and encodes nothing but the pictures of /NAME.jpg.\n\n\
         Without INPUT it reads stdin. A file is served in real time, as if it were live. With --on-eof reopen, \
         h5serve may join a FIFO in the middle of a stream: it skips input up to the next start of a stream.",
    )
};
