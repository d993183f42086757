//! `h5serve passwd` and `h5serve link`: what makes the secrets that the server judges by. They serve nothing.

mod link;
mod out;
mod passwd;

#[derive(clap::Subcommand)]
pub enum Tool {
    Passwd(passwd::Passwd),
    Link(link::Link),
}

impl Tool {
    pub fn run(&self) -> anyhow::Result<()> {
        match self {
            Tool::Passwd(passwd) => passwd.run(),
            Tool::Link(link) => link.run(),
        }
    }
}
