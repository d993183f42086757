# Varnish 6 or later in front of two h5serve that one h5mux feeds: each object is fetched once, whoever asks for it.
#
#   varnishd -a :80 -s malloc,256m -f hls.vcl
#
# Where h5serve asks who may watch, it needs --cdn-secret, the cache needs the secret (see below), and the CDN or Varnish itself has to judge viewers.
vcl 4.1;
import directors;

probe alive { .url = "/h5live.js"; .interval = 1s; .timeout = 1s; .window = 3; .threshold = 2; .initial = 2; }
backend one { .host = "127.0.0.1"; .port = "8081"; .probe = alive; .first_byte_timeout = 12s; }
backend two { .host = "127.0.0.1"; .port = "8082"; .probe = alive; .first_byte_timeout = 12s; }

sub vcl_init {
    # The second is asked while the first is ill: what both give has the same names and bytes.
    new origins = directors.fallback();
    origins.add_backend(one);
    origins.add_backend(two);
}

sub vcl_recv {
    set req.backend_hint = origins.backend();
    if (req.http.Upgrade ~ "(?i)websocket") { return (pipe); }
    if (req.method != "GET" && req.method != "HEAD") { return (pass); }
    if (req.url ~ "^/[A-Za-z0-9_-]+/[a-z0-9-]+\.(m3u8|m4s|mp4)(\?|$)") {
        unset req.http.Cookie;
        # set req.http.H5live-Cdn-Secret = "THE SECRET";
        return (hash);
    }
    return (pass);
}

sub vcl_backend_fetch {
    # An origin that has died between two probes: the other one is asked.
    if (bereq.retries > 0) { set bereq.backend = origins.backend(); }
}

sub vcl_backend_response {
    # What is waited for goes out while it comes.
    set beresp.do_stream = true;
    set beresp.grace = 0s;
    # One that waits is asked for once; a refusal is not kept for others.
    if (beresp.status >= 400) { set beresp.ttl = 0s; set beresp.uncacheable = false; }
}

sub vcl_backend_error {
    if (bereq.retries < 2) { return (retry); }
}

sub vcl_deliver { unset resp.http.Age; }
