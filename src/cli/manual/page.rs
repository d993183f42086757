//! The SYNOPSIS and the OPTIONS of a man page, from the clap definitions: options with their values, in groups, in the order of the groups.

use clap::{Arg, ArgAction, Command};
use std::fmt::Write as _;

/// The SYNOPSIS: every option with its value, group by group, then what is not an option.
pub(super) fn synopsis(command: &Command) -> String {
    let tools = command.get_subcommands().map(lines).collect::<String>();
    format!(".SH SYNOPSIS\n{}{tools}", lines(command))
}

fn lines(command: &Command) -> String {
    // One word for roff, also where it is two.
    let mut out = format!(".SY {}\n", plain(command.get_bin_name().unwrap_or(command.get_name())).replace(' ', "\\ "));
    for (n, (_, options)) in groups(command).into_iter().enumerate() {
        // Each group begins a line.
        out.push_str(if n == 0 { "" } else { ".br\n" });
        for option in options.into_iter().filter(|o| !matches!(o.get_action(), ArgAction::Help | ArgAction::Version)) {
            let short = option.get_short().map(|c| format!("-{c}"));
            let name = bold(&short.unwrap_or_else(|| long(option)));
            let value = value(option).map(|v| format!("\\ {}", italic(v))).unwrap_or_default();
            let (open, close) = if option.is_required_set() { ("", "") } else { ("[", "]") };
            _ = writeln!(out, "{open}{name}{value}{close}{}", more(option));
        }
    }
    for argument in operands(command) {
        let name = italic(value(argument).unwrap_or_default());
        let (open, close) = if argument.is_required_set() { ("", "") } else { ("[", "]") };
        _ = writeln!(out, "{open}{name}{close}{}", more(argument));
    }
    out + ".YS\n"
}

/// The OPTIONS: what is not an option, then each group under its heading.
pub(super) fn options(command: &Command) -> String {
    let mut out = String::from(".SH OPTIONS\n");
    for argument in operands(command) {
        describe(&mut out, &italic(value(argument).unwrap_or_default()), argument);
    }
    for (heading, options) in groups(command) {
        if let Some(heading) = heading {
            _ = writeln!(out, ".SS {}", plain(heading));
        }
        for option in options {
            describe(&mut out, &term(option), option);
        }
    }
    out
}

/// What a program does by another name, with the arguments of each; nothing where there is none.
pub(super) fn commands(command: &Command) -> String {
    let mut out = String::new();
    for tool in command.get_subcommands() {
        out.push_str(if out.is_empty() { ".SH COMMANDS\n" } else { "" });
        let about = tool.get_long_about().or_else(|| tool.get_about()).map(ToString::to_string).unwrap_or_default();
        _ = writeln!(out, ".SS {}", plain(tool.get_bin_name().unwrap_or(tool.get_name())));
        for (n, paragraph) in about.split("\n\n").enumerate() {
            _ = writeln!(out, "{}{}", if n == 0 { "" } else { ".PP\n" }, plain(&paragraph.trim().replace('\n', " ")));
        }
        for argument in operands(tool) {
            describe(&mut out, &italic(value(argument).unwrap_or_default()), argument);
        }
        for option in groups(tool).into_iter().flat_map(|(_, options)| options) {
            describe(&mut out, &term(option), option);
        }
    }
    out
}

/// The options that are shown, by heading; headings in the order of their first option.
fn groups(command: &Command) -> Vec<(Option<&str>, Vec<&Arg>)> {
    let mut options: Vec<&Arg> = command.get_arguments().filter(|a| !a.is_hide_set() && !a.is_positional()).collect();
    options.sort_by_key(|option| option.get_display_order());
    let mut groups: Vec<(Option<&str>, Vec<&Arg>)> = Vec::new();
    for option in options {
        match groups.iter_mut().find(|(heading, _)| *heading == option.get_help_heading()) {
            Some((_, members)) => members.push(option),
            None => groups.push((option.get_help_heading(), vec![option])),
        }
    }
    groups
}

/// `-l, --listen ADDR`.
fn term(option: &Arg) -> String {
    let names = option.get_short().map(|c| bold(&format!("-{c}"))).into_iter().chain([bold(&long(option))]);
    let value = value(option).map(|v| format!(" {}", italic(v))).unwrap_or_default();
    names.collect::<Vec<_>>().join(", ") + &value
}

fn operands(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_positionals().filter(|a| !a.is_hide_set())
}

fn long(option: &Arg) -> String {
    option.get_long().map(|name| format!("--{name}")).unwrap_or_default()
}

fn value(argument: &Arg) -> Option<&str> {
    let takes = matches!(argument.get_action(), ArgAction::Set | ArgAction::Append);
    argument.get_value_names().filter(|_| takes).and_then(|names| names.first()).map(|name| name.as_str())
}

/// Whether it may be given several times.
fn more(argument: &Arg) -> &'static str {
    if matches!(argument.get_action(), ArgAction::Append | ArgAction::Count) { "...\\&" } else { "" }
}

fn describe(out: &mut String, term: &str, argument: &Arg) {
    let text = argument.get_long_help().or_else(|| argument.get_help()).map(ToString::to_string).unwrap_or_default();
    let values = argument.get_possible_values();
    let values: Vec<_> = values.iter().filter(|v| !v.is_hide_set() && value(argument).is_some()).collect();
    let explained = values.iter().any(|v| v.get_help().is_some());
    _ = write!(out, ".TP\n{term}\n");
    for (n, paragraph) in text.split("\n\n").enumerate() {
        let mut paragraph = paragraph.trim().replace('\n', " ");
        if n == 0 && !values.is_empty() && !explained {
            let names: Vec<_> = values.iter().map(|v| v.get_name()).collect();
            _ = write!(paragraph, " [{}]", names.join(", "));
        }
        if n == 0 && !argument.get_default_values().is_empty() && value(argument).is_some() {
            let defaults: Vec<_> = argument.get_default_values().iter().map(|v| v.to_string_lossy()).collect();
            _ = write!(paragraph, " [default: {}]", defaults.join(" "));
        }
        _ = writeln!(out, "{}{}", if n == 0 { "" } else { ".IP\n" }, plain(&paragraph));
    }
    if explained {
        out.push_str(".RS\n");
        for value in values {
            let help = value.get_help().map(ToString::to_string).unwrap_or_default();
            _ = write!(out, ".TP\n{}\n{}\n", bold(value.get_name()), plain(&help));
        }
        out.push_str(".RE\n");
    }
}

fn bold(text: &str) -> String {
    format!("\\fB{}\\fR", escaped(text))
}

fn italic(text: &str) -> String {
    format!("\\fI{}\\fR", escaped(text))
}

/// A line of text that is not taken for a request.
fn plain(text: &str) -> String {
    let guard = if text.starts_with(['.', '\'']) { "\\&" } else { "" };
    format!("{guard}{}", escaped(text))
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq").replace('"', "\\(dq")
}
