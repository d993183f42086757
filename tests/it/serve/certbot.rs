//! A certificate of an authority, by certbot, and its renewal. The authority is pebble, that of the makers of Let's Encrypt for tests.

use super::Server;
use crate::util::{PATIENCE, Running, TempDir, eventually, free_port, run, run_for};
use std::fs;
use std::path::Path;
use std::process::Command;

const NAME: &str = "cam.example.org";

/// The authority, and the names that it finds.
struct Authority {
    folder: TempDir,
    port: u16,
    http: u16,
    _pebble: Running,
    _names: Running,
}

impl Authority {
    fn start() -> Authority {
        let folder = TempDir::new();
        let [port, http, tls, dns, management] = [(); 5].map(|()| free_port());
        let args =
            ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost"];
        let names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", "authority.key", "-out", "authority.pem"];
        run(Command::new("openssl").args(args).args(names).current_dir(&*folder), b"").success();
        let config = serde_json::json!({"pebble": {
            "listenAddress": format!("127.0.0.1:{port}"), "managementListenAddress": "", "certificate": "authority.pem",
            "privateKey": "authority.key", "httpPort": http, "tlsPort": tls, "ocspResponderURL": "",
        }});
        fs::write(folder.join("config.json"), config.to_string()).unwrap();
        let dns = format!("127.0.0.1:{dns}");
        let mut names = Command::new("pebble-challtestsrv");
        names.args(["-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-dns01", &dns, "-http01", "", "-https01", "", "-tlsalpn01", ""]);
        let names = Running::start(names.args(["-management", &format!("127.0.0.1:{management}")]));
        let mut pebble = Command::new("pebble");
        pebble.args(["-config", "config.json", "-dnsserver", &dns]).env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_WFE_NONCEREJECT", "0");
        let pebble = Running::start(pebble.current_dir(&*folder));
        eventually("the authority", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        Authority { folder, port, http, _pebble: pebble, _names: names }
    }

    /// A certificate for [`NAME`], in the folder where certbot has it.
    fn certbot(&self, more: &[&str]) {
        let place = |option: &str| [format!("--{option}-dir"), self.folder.join("certbot").display().to_string()];
        let mut certbot = Command::new("certbot");
        certbot.args(["certonly", "--standalone", "--non-interactive", "--agree-tos", "--register-unsafely-without-email", "-d", NAME]);
        certbot.args(["config", "work", "logs"].iter().flat_map(|option| place(option)));
        certbot.args(["--http-01-port", &self.http.to_string(), "--server", &format!("https://localhost:{}/dir", self.port)]);
        run_for(certbot.args(more).env("REQUESTS_CA_BUNDLE", self.folder.join("authority.pem")), b"", PATIENCE).success();
    }

    fn file(&self, name: &str) -> String {
        self.folder.join("certbot/live").join(NAME).join(name).display().to_string()
    }
}

/// Issuer and number of the certificate that the server shows.
fn shown(port: u16) -> String {
    let line = format!("openssl s_client -connect 127.0.0.1:{port} </dev/null 2>/dev/null | openssl x509 -noout -issuer -serial");
    run(Command::new("sh").args(["-c", &line]), b"").text()
}

#[test]
fn certbot_gets_a_certificate_and_renews_it() {
    let authority = Authority::start();
    authority.certbot(&[]);
    let [chain, key] = ["fullchain.pem", "privkey.pem"].map(|name| authority.file(name));
    let server = Server::start(&["--tls-cert", &chain, "--tls-key", &key, "--on-eof", "wait"]);
    let first = shown(server.port);
    assert!(first.contains("Pebble Intermediate CA"), "{first}");
    assert!(Path::new(&chain).is_symlink());
    authority.certbot(&["--force-renewal"]);
    let second = eventually("the new certificate", || Some(shown(server.port)).filter(|shown| !shown.is_empty() && *shown != first));
    assert!(second.contains("Pebble Intermediate CA"), "{second}");
    assert!(!server.process.stderr().contains("stays in use"), "{}", server.process.stderr());
}
