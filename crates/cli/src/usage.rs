//! Command lines that are not understood, said in one line.

use clap::error::ErrorKind;

use crate::failure::{Exit, Failure};

/// Prints help or version where they were asked for; anything else is an error.
pub(crate) fn report(error: &clap::Error) -> Exit {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A reader that has seen enough is no failure.
            let _ = error.print();
            Exit::Done
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            Exit::Usage
        }
        _ => Failure::usage(line(&error.render().to_string())).report(),
    }
}

/// Clap's message and its tips, without usage and without line breaks.
fn line(rendered: &str) -> String {
    let mut parts = Vec::new();
    for paragraph in rendered.split("\n\n") {
        let paragraph = paragraph.trim();
        if paragraph.starts_with("Usage:") || paragraph.starts_with("For more information") {
            continue;
        }
        let words: Vec<&str> = paragraph.split_whitespace().collect();
        let text = words.join(" ");
        parts.push(text.strip_prefix("error: ").unwrap_or(&text).to_owned());
    }
    parts.push("see `relynt --help`".to_owned());
    parts.retain(|part| !part.is_empty());
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn message_and_tip_are_one_line() {
        let rendered = "error: the following required arguments were not provided:\n  <ID>\n\n  \
                        tip: try this\n\nUsage: relynt x <ID>\n\nFor more information, try '--help'.\n";
        assert_eq!(
            line(rendered),
            "the following required arguments were not provided: <ID>; tip: try this; \
             see `relynt --help`"
        );
    }
}
