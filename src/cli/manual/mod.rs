//! The manual of a program, in one place: `--help`, the man page and the completions all come from the clap definitions
//! and a [`Manual`].

mod page;

use super::{console, exit, log};
use anyhow::Context as _;
use clap_mangen::roff::{Roff, bold, roman};
use std::io::Write;

/// What clap does not know of a program.
///
/// Text is plain: paragraphs are separated by an empty line, and a paragraph indented by four spaces stays as it is.
#[derive(Clone, Copy, Debug)]
pub struct Manual {
    /// Name of the program.
    pub name: &'static str,
    /// What it does, in one line that starts with a verb and has no full stop.
    pub summary: &'static str,
    /// The DESCRIPTION.
    pub description: &'static str,
    /// The EXAMPLES, as (what it does, command line); every one is run by the tests.
    pub examples: &'static [(&'static str, &'static str)],
    /// The options in groups, as (HEADING, names of the arguments): those that are used most come first. Every option that has no
    /// heading by its definition is in one of them.
    pub groups: &'static [(&'static str, &'static [&'static str])],
    /// Sections of its own, as (TITLE, text), after the options.
    pub sections: &'static [(&'static str, &'static str)],
    /// The FILES, as (path, what it is).
    pub files: &'static [(&'static str, &'static str)],
    /// The ENVIRONMENT, as (variable, meaning); what all programs have is added.
    pub environment: &'static [(&'static str, &'static str)],
    /// Pages of other projects under SEE ALSO, such as `ffmpeg(1)`; our own are added.
    pub see_also: &'static [&'static str],
}

/// The heading of the options that all programs have. It is said of each of them, because a heading set for all would stay for those of the
/// program that follow.
pub(super) const HEADING: &str = "Common options";

/// What `--generate` prints.
#[allow(missing_docs, reason = "each is what its name says, and a line here would be shown in --help")]
#[derive(clap::ValueEnum, Clone, Copy, Debug)]
pub enum Generate {
    Man,
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

const OWN_PAGES: [&str; 6] = ["h5cap(1)", "h5enc(1)", "h5mux(1)", "h5serve(1)", "h5pipe(5)", "h5live(7)"];

impl Manual {
    /// A manual with nothing but the three texts that none is without; the rest is set by `..Manual::new(…)`.
    pub const fn new(name: &'static str, summary: &'static str, description: &'static str) -> Manual {
        Manual { name, summary, description, examples: &[], groups: &[], sections: &[], files: &[], environment: &[], see_also: &[] }
    }

    /// The clap command of `A` with this manual's texts in it.
    pub fn command<A: clap::CommandFactory>(&self) -> clap::Command {
        let command = self.grouped(A::command().name(self.name).version(env!("CARGO_PKG_VERSION")).about(capitalised(self.summary)));
        let command = command.long_about(format!("{}\n\n{}", capitalised(self.summary), self.description));
        // Without this, clap writes escape codes to any terminal where CI is set, whatever TERM says.
        let command = if console::is_dumb() { command.color(clap::ColorChoice::Never) } else { command };
        if self.examples.is_empty() { command } else { command.after_help(self.examples_help()) }
    }

    /// The options under their headings; --help and --version are with those that all programs have.
    fn grouped(&self, command: clap::Command) -> clap::Command {
        let help =
            clap::Arg::new("help").short('h').long("help").action(clap::ArgAction::Help).help("Print help: -h in short, --help in full");
        let version = clap::Arg::new("version").short('V').long("version").action(clap::ArgAction::Version).help("Print the version");
        let mut command = command.disable_help_flag(true).disable_version_flag(true);
        command = command.mut_subcommands(|tool| tool.arg(help.clone()));
        let others: Vec<_> = command.get_arguments().filter(|a| !a.is_positional()).map(|a| a.get_id().clone()).collect();
        let members = self.groups.iter().flat_map(|(heading, names)| names.iter().map(move |name| (*heading, *name)));
        let mut order = 0..;
        for ((heading, name), order) in members.zip(&mut order) {
            command = command.mut_arg(name, |arg| arg.help_heading(heading).display_order(order));
        }
        let grouped = |id: &clap::Id| self.groups.iter().any(|(_, names)| names.contains(&id.as_str()));
        for (id, order) in others.iter().filter(|id| !grouped(id)).zip(&mut order) {
            command = command.mut_arg(id.as_str(), |arg| arg.display_order(order));
        }
        for (last, order) in [help, version].into_iter().zip(order) {
            command = command.arg(last.help_heading(HEADING).display_order(order));
        }
        command
    }

    /// Prints the man page or a completion script on stdout.
    pub(super) fn generate<A: clap::CommandFactory>(&self, what: Generate) -> anyhow::Result<()> {
        let mut out = Vec::new();
        let command = || self.command::<A>();
        match what {
            Generate::Man => out = self.man(command())?,
            Generate::Bash => self.completions(clap_complete::Shell::Bash, command(), &mut out),
            Generate::Elvish => self.completions(clap_complete::Shell::Elvish, command(), &mut out),
            Generate::Fish => self.completions(clap_complete::Shell::Fish, command(), &mut out),
            Generate::Powershell => self.completions(clap_complete::Shell::PowerShell, command(), &mut out),
            Generate::Zsh => self.completions(clap_complete::Shell::Zsh, command(), &mut out),
        }
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(&out).and_then(|()| stdout.flush()).context("stdout")
    }

    fn completions(&self, shell: clap_complete::Shell, mut command: clap::Command, out: &mut Vec<u8>) {
        clap_complete::generate(shell, &mut command, self.name, out);
    }

    /// The man page, in roff.
    fn man(&self, command: clap::Command) -> anyhow::Result<Vec<u8>> {
        let mut command = command.about(self.summary).long_about(self.description);
        command.build();
        let source = format!("h5live {}", env!("CARGO_PKG_VERSION"));
        let man = clap_mangen::Man::new(command.clone()).title(self.name.to_uppercase()).manual("h5live manual").source(source);
        let mut out = Vec::new();
        man.render_title(&mut out)?;
        man.render_name_section(&mut out)?;
        out.extend(page::synopsis(&command).into_bytes());
        let mut roff = Roff::new();
        section(&mut roff, "DESCRIPTION", self.description);
        roff.to_writer(&mut out)?;
        out.extend(page::options(&command).into_bytes());
        out.extend(page::commands(&command).into_bytes());
        self.own_sections().to_writer(&mut out)?;
        Ok(out)
    }

    fn own_sections(&self) -> Roff {
        let mut roff = Roff::new();
        for (title, text) in self.sections {
            section(&mut roff, title, text);
        }
        let codes = exit::TABLE.map(|(code, meaning)| (code.to_string(), meaning));
        terms(&mut roff, "EXIT STATUS", codes.iter().map(|(code, meaning)| (code.as_str(), *meaning)));
        terms(&mut roff, "ENVIRONMENT", self.environment.iter().copied().chain([(log::VARIABLE, log::MEANING)]));
        if !self.files.is_empty() {
            terms(&mut roff, "FILES", self.files.iter().copied());
        }
        if !self.examples.is_empty() {
            roff.control("SH", ["EXAMPLES"]);
            for (what, command) in self.examples {
                roff.control("PP", []).text([roman(*what)]);
                verbatim(&mut roff, command);
            }
        }
        let own = OWN_PAGES.into_iter().filter(|page| !page.starts_with(&format!("{}(", self.name)));
        let pages: Vec<_> = own.chain(self.see_also.iter().copied()).collect();
        section(&mut roff, "SEE ALSO", &pages.join(", "));
        roff
    }

    fn examples_help(&self) -> String {
        let lines = self.examples.iter().map(|(what, command)| format!("  # {what}\n  {}", command.replace('\n', "\n  ")));
        format!("Examples:\n{}", lines.collect::<Vec<_>>().join("\n"))
    }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn section(roff: &mut Roff, title: &str, text: &str) {
    roff.control("SH", [title]);
    for (n, paragraph) in text.split("\n\n").enumerate() {
        if paragraph.starts_with("    ") {
            verbatim(roff, paragraph);
            continue;
        }
        if n > 0 {
            roff.control("PP", []);
        }
        roff.text([roman(paragraph.trim().replace('\n', " "))]);
    }
}

/// Lines as they are, indented by four columns.
fn verbatim(roff: &mut Roff, text: &str) {
    roff.control("PP", []).control("RS", ["4"]).control("nf", []);
    for line in text.lines() {
        roff.text([roman(line.strip_prefix("    ").unwrap_or(line))]);
    }
    roff.control("fi", []).control("RE", []);
}

fn terms<'a>(roff: &mut Roff, title: &str, rows: impl Iterator<Item = (&'a str, &'a str)>) {
    roff.control("SH", [title]);
    for (term, meaning) in rows {
        roff.control("TP", []).text([bold(term)]).text([roman(meaning)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Args {
        /// Where from
        #[arg(value_name = "SOURCE")]
        _source: String,
        #[command(flatten)]
        common: super::super::Common,
        #[command(flatten)]
        overflow: super::super::OverflowArg,
    }

    const MANUAL: Manual = Manual {
        examples: &[("Look", "h5cat -v 'a.mkv' | mpv -\n.dot")],
        groups: &[("Flow", &["late"])],
        sections: &[("INPUT", "One.\n\n    .verbatim\n    two\n\nThree.")],
        ..Manual::new("h5cat", "pass on", "First.\n\nSecond.")
    };

    fn man() -> String {
        String::from_utf8(MANUAL.man(MANUAL.command::<Args>()).unwrap()).unwrap()
    }

    #[test]
    fn the_page_has_all_sections_in_order() {
        let page = man();
        let wanted = [
            ".TH H5CAT 1",
            ".SH NAME",
            ".SH SYNOPSIS",
            ".SH DESCRIPTION",
            "\nSecond.",
            ".SH OPTIONS",
            ".SS Common options",
            ".SH INPUT",
            ".SH \"EXIT STATUS\"",
            ".SH ENVIRONMENT",
            ".SH EXAMPLES",
            ".SH \"SEE ALSO\"",
        ];
        let found: Vec<_> = wanted.iter().map(|w| page.find(w).unwrap_or_else(|| panic!("no {w} in\n{page}"))).collect();
        assert!(found.is_sorted(), "{page}");
        assert!(!page.contains("generate"), "hidden");
        assert!(!page.contains("\n.verbatim") && !page.contains("\n.dot"), "text is not taken for a roff request:\n{page}");
    }

    #[test]
    fn the_synopsis_has_options_with_values_in_groups() {
        let page = man();
        let synopsis = page.split(".SH SYNOPSIS\n").nth(1).unwrap().split(".SH").next().unwrap();
        let wanted = ".SY h5cat\n[\\fB\\-\\-late\\fR\\ \\fIPOLICY\\fR]\n.br\n[\\fB\\-v\\fR]...\\&\n[\\fB\\-q\\fR]\n\
            [\\fB\\-\\-log\\fR\\ \\fIFORMAT\\fR]\n[\\fB\\-\\-control\\fR\\ \\fIADDR\\fR]\n[\\fB\\-\\-control\\-token\\-file\\fR\\ \\fIFILE\\fR]\n\\fISOURCE\\fR\n.YS\n";
        assert!(synopsis.starts_with(wanted), "{synopsis}");
        let options = page.split(".SH OPTIONS\n").nth(1).unwrap().split(".SH").next().unwrap();
        let terms = [
            ".TP\n\\fISOURCE\\fR\nWhere from\n",
            ".SS Flow\n.TP\n\\fB\\-\\-late\\fR \\fIPOLICY\\fR\n",
            ".SS Common options\n",
            ".TP\n\\fB\\-V\\fR, ",
        ];
        let found: Vec<_> = terms.iter().map(|w| options.find(w).unwrap_or_else(|| panic!("no {w} in\n{options}"))).collect();
        assert!(found.is_sorted(), "{options}");
        assert!(
            options.contains(".TP\n\\fBblock\\fR\nWait, and make the source wait\n") && options.contains("[default: block]"),
            "{options}"
        );
    }

    #[test]
    fn help_has_the_examples() {
        let help = MANUAL.command::<Args>().render_long_help().to_string();
        assert!(help.contains("Examples:\n  # Look\n  h5cat -v 'a.mkv' | mpv -\n"), "{help}");
    }

    #[test]
    fn generate_needs_no_other_argument() {
        assert!(MANUAL.command::<Args>().try_get_matches_from(["h5cat", "--generate", "man"]).is_ok());
        assert!(MANUAL.command::<Args>().try_get_matches_from(["h5cat"]).is_err());
    }

    #[test]
    fn a_program_sets_its_own_default_for_late() {
        #[derive(clap::Parser)]
        #[command(mut_arg("late", |a| a.default_value("drop")))]
        struct Dropping {
            #[command(flatten)]
            overflow: super::super::OverflowArg,
        }
        use clap::Parser;
        assert_eq!(Dropping::parse_from(["h5cap"]).overflow.policy, crate::media::OverflowPolicy::Drop);
        let args = Args::parse_from(["h5cat", "x"]);
        assert_eq!((args.overflow.policy, args.common.quiet), (crate::media::OverflowPolicy::Block, false));
    }
}
