//! The page that lists recordings: days, or those of a day. Its script only writes times as the viewer's clock has them.

use crate::media::WallTime;
use crate::serve::http::answer::{Answer, NO_STORE, respond};
use crate::serve::http::body::Reply;
use crate::serve::http::head;
use crate::serve::http::request::Request;
use crate::serve::recordings::times;
use hyper::StatusCode;
use hyper::header::{self, HeaderValue};
use std::fmt::Write;

/// A line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Where it leads, relative to the list.
    pub name: String,
    /// All of it as one file, likewise.
    pub whole: Option<String>,
    /// When the first of it begins,
    pub from: WallTime,
    /// and when the last of it ends.
    pub to: WallTime,
    /// In bytes.
    pub bytes: u64,
    pub files: usize,
    /// It is being recorded.
    pub open: bool,
}

/// Our own files, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'";
const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/player/src/recordings.html"));

/// In the language that the browser prefers. `day`: all of them are of that one.
pub fn page(request: &Request, stream: &str, day: Option<&str>, rows: &[Row]) -> Answer {
    let chinese = head::prefers_chinese(&request.head.headers);
    let mut answer = respond(
        StatusCode::OK,
        Reply::whole(html(chinese, stream, day, rows)),
        HeaderValue::from_static("text/html; charset=utf-8"),
        NO_STORE,
    );
    answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    answer
}

/// Names of streams, days and recordings have no character that means something in HTML.
fn html(chinese: bool, stream: &str, day: Option<&str>, rows: &[Row]) -> String {
    let language = usize::from(chinese);
    let text = |texts: [&'static str; 2]| texts[language];
    let mut lines = String::new();
    for row in rows {
        let open = if row.open { text([" (being recorded)", "（录制中）"]) } else { "" };
        let one_file = text(["one file", "合并为一个文件"]);
        let whole = row.whole.as_ref().map_or_else(String::new, |whole| format!(" (<a href=\"{whole}\" download>{one_file}</a>)"));
        let files = if day.is_none() { format!("<td>{}</td>", row.files) } else { String::new() };
        _ = writeln!(
            lines,
            "<tr><td><a href=\"{name}\">{label}</a>{open}{whole}</td><td>{}</td><td>{}</td>{files}<td>{}</td></tr>",
            time(row.from, day.is_some()),
            time(row.to, day.is_some()),
            size(row.bytes),
            name = row.name,
            label = row.name.trim_end_matches('/'),
        );
    }
    let up = if day.is_some() { "../../../" } else { "../../" };
    let count = if day.is_none() { format!("<th scope=\"col\">{}</th>", text(["Files", "文件数"])) } else { String::new() };
    let title = format!("{}: {stream}{}", text(["Recordings", "录像"]), day.map_or_else(String::new, |day| format!(", {day} (UTC)")));
    let back = match day {
        Some(day) => format!(
            "<a href=\"../\">{}</a> · <a href=\"../{day}.mp4\" download>{}</a>",
            text(["All days", "所有日期"]),
            text(["The day as one file", "全天合并为一个文件"])
        ),
        None => format!("<a href=\"{up}{stream}\">{}</a>", text(["The stream", "返回视频"])),
    };
    let nothing = if rows.is_empty() { text(["Nothing is recorded.", "没有录像。"]) } else { "" };
    let mut html = PAGE.to_owned();
    for (place, value) in [
        ("{language}", ["en", "zh"][language]),
        ("{up}", up),
        ("{title}", &title),
        ("{back}", &back),
        ("{first}", text(if day.is_some() { ["Recording", "录像"] } else { ["Day (UTC)", "日期（UTC）"] })),
        ("{from}", text(["From", "开始"])),
        ("{to}", text(["To", "结束"])),
        ("{count}", &count),
        ("{size}", text(["Size", "大小"])),
        ("{rows}", &lines),
        ("{nothing}", nothing),
    ] {
        html = html.replace(place, value);
    }
    html
}

/// By UTC, until the page's script has the viewer's.
fn time(time: WallTime, of_day: bool) -> String {
    let exact = times::text(time);
    let shown = if of_day { &exact[11..19.min(exact.len())] } else { &exact[..16.min(exact.len())] };
    format!("<time datetime=\"{exact}\"{}>{} UTC</time>", if of_day { " data-of-day" } else { "" }, shown.replace('T', " "))
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let row = |name: &str, open| Row {
            name: name.into(),
            whole: name.strip_suffix('/').map(|day| format!("{day}.mp4")),
            from: WallTime(1_795_717_200_000_000),
            to: WallTime(1_795_717_800_500_000),
            bytes: 12_345_678,
            files: 3,
            open,
        };
        let days = html(false, "cam", None, &[row("2026-11-26/", true)]);
        assert!(days.contains("<a href=\"2026-11-26/\">2026-11-26</a> (being recorded)"), "{days}");
        assert!(days.contains("(<a href=\"2026-11-26.mp4\" download>one file</a>)"), "{days}");
        assert!(days.contains("<td>3</td><td>12.3 MB</td>") && days.contains("href=\"../../page.css\"") && !days.contains('{'), "{days}");
        let files = html(true, "cam", Some("2026-11-26"), &[row("18-20-00.000Z.mp4", false)]);
        assert!(
            files.contains("<html lang=\"zh\">")
                && files.contains("<time datetime=\"2026-11-26T18:20:00.000Z\" data-of-day>18:20:00 UTC</time>")
        );
        assert!(files.contains("href=\"../../../page.css\"") && html(false, "cam", None, &[]).contains("Nothing is recorded."));
        assert_eq!([size(0), size(999_999), size(2_500_000_000)], ["0.0 kB", "1000.0 kB", "2.50 GB"]);
    }
}
