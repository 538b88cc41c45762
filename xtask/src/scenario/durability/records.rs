//! Numbered records that the guest writes until its power is cut, each synced before the next.

use std::time::Duration;

use anyhow::{Result, bail};
use vm::process::pause;

use crate::scenario::Context;

pub const RECORDS: &str = "/persist/home/records";

/// Starts to write records, and returns while that goes on.
pub fn start_writing(cx: &mut Context) -> Result<()> {
    let write = format!(
        "n=0; while :; do n=$((n+1)); printf 'record %08d\\n' $n >> {RECORDS}; sync {RECORDS}; echo $n > /run/synced; done"
    );
    cx.machine.succeed(&format!(
        "rm -f {RECORDS} /run/synced; nohup sh -c \"{}\" >/dev/null 2>&1 &",
        write.replace('$', "\\$")
    ))?;
    Ok(())
}

/// How many records are synced by now.
pub fn synced(cx: &mut Context) -> Result<u64> {
    for _ in 0..20 {
        let [count] = cx.exec(["cat /run/synced"])?;
        // The file is empty for a moment each time it is rewritten.
        if let Ok(count) = count.text.trim().parse() {
            return Ok(count);
        }
        pause(Duration::from_millis(100))?;
    }
    bail!("no record was written within 2 s")
}

/// How many records of `text` are whole, from the first one on.
pub fn whole_records(text: &str) -> u64 {
    (1..)
        .zip(text.lines())
        .take_while(|(number, line)| *line == format!("record {number:08}"))
        .count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_count_up_to_the_first_damage() {
        let record = |number| format!("record {number:08}\n");
        let whole: String = (1..=3).map(record).collect();
        assert_eq!(whole_records(&whole), 3);
        assert_eq!(whole_records(&format!("{whole}record 0000")), 3);
        assert_eq!(whole_records(&(record(1) + &record(3))), 1);
        assert_eq!(whole_records(""), 0);
    }
}
