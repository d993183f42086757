//! Streams of one picture in several qualities, under one name.

use crate::input::Input;
use h5live::cli;
use h5live::serve::Group;

/// # Errors
/// A name that is another's, or a stream that is not there.
pub fn check(groups: &[Group], inputs: &[Input]) -> anyhow::Result<()> {
    let is_stream = |name: &str| inputs.iter().any(|input| input.name == name);
    for (at, group) in groups.iter().enumerate() {
        let name = &group.name;
        if is_stream(name) || groups[..at].iter().any(|other| other.name == *name) {
            return Err(cli::usage(format!("--group {name}: there is a stream or a group {name} already")));
        }
        for member in &group.members {
            if !is_stream(member) {
                return Err(cli::usage(format!("--group {name}: there is no stream {member}")));
            }
            if groups[..at].iter().any(|other| other.members.contains(member)) {
                return Err(cli::usage(format!("--group {name}: {member} is in another group already")));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let inputs = ["hd", "sd", "door"].map(|name| Input::parse(&format!("{name}=x"), "live"));
        let checked = |groups: &[&str]| {
            let groups: Vec<Group> = groups.iter().map(|text| text.parse().unwrap()).collect();
            check(&groups, &inputs).map_err(|error| error.to_string())
        };
        assert_eq!(checked(&["cam=hd,sd"]), Ok(()));
        for (groups, wrong) in [
            (&["door=hd,sd"][..], "--group door: there is a stream or a group door already"),
            (&["cam=hd,sd", "cam=sd,door"], "--group cam: there is a stream or a group cam already"),
            (&["cam=hd,ld"], "--group cam: there is no stream ld"),
            (&["cam=hd,sd", "yard=sd,door"], "--group yard: sd is in another group already"),
        ] {
            assert_eq!(checked(groups), Err(wrong.into()));
        }
    }
}
