//! The report as JUnit XML, which CI services read.

use std::time::Duration;

use anyhow::Result;
use chrono::{DateTime, FixedOffset};
use quick_junit::{NonSuccessKind, Report as Xml, TestCase, TestCaseStatus, TestSuite};

use super::{Report, Verdict};

/// One suite per scenario, one case per promise; `started` is the time at which the run began.
pub fn junit(report: &Report, started: DateTime<FixedOffset>) -> Result<String> {
    let mut xml = Xml::new(format!("ollamalive on {}", report.subject()));
    xml.set_timestamp(started);
    xml.set_time(Duration::from_secs_f64(report.seconds));
    for scenario in &report.scenarios {
        let mut suite = TestSuite::new(&scenario.name);
        suite.set_time(Duration::from_secs_f64(scenario.seconds));
        for promise in &scenario.promises {
            let mut status = match promise.verdict {
                Verdict::Pass => TestCaseStatus::success(),
                Verdict::Fail => TestCaseStatus::non_success(NonSuccessKind::Failure),
                Verdict::Skip | Verdict::Unavailable | Verdict::NotApplicable => {
                    TestCaseStatus::skipped()
                }
            };
            if promise.verdict != Verdict::Pass {
                status.set_message(&promise.evidence);
            }
            let mut case = TestCase::new(&promise.id, status);
            case.set_classname(&scenario.name)
                .set_time(Duration::from_secs_f64(promise.seconds));
            case.set_system_out(format!("{}: {}", promise.promise, promise.evidence));
            suite.add_test_case(case);
        }
        xml.add_test_suite(suite);
    }
    Ok(xml.to_string()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_and_skips_are_counted_as_such() {
        use Verdict::{Fail, Pass, Skip};
        let started = DateTime::parse_from_rfc3339("2026-01-02T03:04:05+01:00").unwrap();
        let xml = junit(&crate::outcome::tests::sample(&[Pass, Fail, Skip]), started).unwrap();
        assert!(xml.contains(r#"timestamp="2026-01-02T03:04:05"#), "{xml}");
        assert!(
            xml.contains(r#"tests="3""#) && xml.contains(r#"failures="1""#),
            "{xml}"
        );
        assert!(
            xml.contains("<skipped") && xml.contains("what was &lt;seen&gt;"),
            "{xml}"
        );
    }
}
