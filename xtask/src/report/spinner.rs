//! A spinner: one line on the terminal while a machine works.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// How often a spinner turns.
const TURN: Duration = Duration::from_millis(120);

/// One line on the terminal, until it is dropped. Nothing without a terminal.
pub struct Spinner(Option<ProgressBar>);

impl Spinner {
    /// One of `spinners`, if there are any.
    pub(super) fn new(spinners: Option<&MultiProgress>, name: &str) -> Self {
        let bar = spinners.map(|spinners| {
            let style = ProgressStyle::with_template(
                "{spinner:.cyan} {prefix:<16} {elapsed:>4} {wide_msg}",
            )
            .expect("the template is fixed")
            .tick_strings(&["⠋", "⠙", "⠸", "⠴", "⠦", "⠇", " "]);
            let bar = spinners.add(ProgressBar::new_spinner().with_style(style));
            bar.set_prefix(name.to_string());
            bar.enable_steady_tick(TURN);
            bar
        });
        Spinner(bar)
    }

    /// Shows the current step.
    pub fn step(&self, text: String) {
        if let Some(bar) = &self.0 {
            bar.set_message(text);
        }
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use indicatif::ProgressDrawTarget;

    use super::*;

    #[test]
    fn a_spinner_shows_the_step_and_needs_a_terminal() {
        let none = Spinner::new(None, "main");
        none.step("booting".into());
        assert!(none.0.is_none());
        let hidden = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        let spinner = Spinner::new(Some(&hidden), "main");
        spinner.step("ssh: ssh.root-refused".into());
        let bar = spinner.0.clone().unwrap();
        assert_eq!(bar.message(), "ssh: ssh.root-refused");
        drop(spinner);
        assert!(bar.is_finished());
    }
}
