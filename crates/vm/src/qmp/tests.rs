//! The control channel with a fake QEMU at the other end of a socket pair.

use super::*;
use crate::process;

const DEADLINE: Duration = Duration::from_secs(20);
const SLICE: Duration = Duration::from_millis(1);
const GREETING: &str = "{\"QMP\": {\"version\": {}}}\n";

/// The other end of a channel: sends the greeting, then for each request one of `replies`; then closes.
/// Returns the commands that it was sent.
fn fake_qemu(
    greeting: &'static [&'static str],
    replies: Vec<String>,
) -> (UnixStream, thread::JoinHandle<Vec<String>>) {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let qemu = thread::spawn(move || {
        for part in greeting {
            theirs.write_all(part.as_bytes()).unwrap();
            thread::sleep(SLICE * 20);
        }
        let mut requests = BufReader::new(theirs.try_clone().unwrap()).lines();
        let mut commands = Vec::new();
        for reply in replies {
            let Some(Ok(request)) = requests.next() else {
                break;
            };
            let request: Value = serde_json::from_str(&request).unwrap();
            commands.push(request["execute"].as_str().unwrap().to_string());
            theirs.write_all(reply.as_bytes()).unwrap();
        }
        commands
    });
    (ours, qemu)
}

/// Replies to `qmp_capabilities`, then `replies`, a line each.
fn after_greeting(replies: &[&str]) -> Vec<String> {
    let ok = std::iter::once(&r#"{"return": {}}"#);
    ok.chain(replies)
        .map(|reply| format!("{reply}\n"))
        .collect()
}

fn connect(stream: UnixStream) -> Result<Qmp> {
    Qmp::with_deadline(stream, DEADLINE, SLICE)
}

#[test]
fn events_between_request_and_answer_are_skipped() {
    let replies = after_greeting(&[
        "{\"event\": \"STOP\"}\n{\"event\": \"RESUME\"}\n{\"return\": {\"n\": 1}}\n{\"event\": \"RTC_CHANGE\"}",
        r#"{"return": {"n": 2}}"#,
    ]);
    let (stream, qemu) = fake_qemu(&[GREETING], replies);
    let mut qmp = connect(stream).unwrap();
    for n in [1, 2] {
        assert_eq!(qmp.execute("query", json!({})).unwrap()["n"], n);
    }
    drop(qmp);
    let commands = qemu.join().unwrap();
    assert_eq!(commands, ["qmp_capabilities", "query", "query"]);
}

#[test]
fn an_error_names_its_command_and_the_next_command_works() {
    let replies = after_greeting(&[
        r#"{"error": {"class": "GenericError", "desc": "no such disk"}}"#,
        r#"{"return": {}}"#,
    ]);
    let (stream, _qemu) = fake_qemu(&[GREETING], replies);
    let mut qmp = connect(stream).unwrap();
    let error = qmp.pull("usb").unwrap_err().to_string();
    assert!(error.starts_with("QMP device_del: "), "{error}");
    assert!(error.contains("no such disk"), "{error}");
    qmp.cont().unwrap();
}

#[test]
fn a_closed_channel_is_an_error() {
    let (stream, _qemu) = fake_qemu(&[], Vec::new());
    let error = format!("{:#}", connect(stream).err().unwrap());
    let closed = "QEMU has closed its control channel";
    assert_eq!(error, format!("no greeting from QEMU: {closed}"));
    let mut replies = after_greeting(&[]);
    replies.push("{\"retu".into());
    let (stream, _qemu) = fake_qemu(&[GREETING], replies);
    let mut qmp = connect(stream).unwrap();
    let error = format!("{:#}", qmp.cont().unwrap_err());
    assert_eq!(error, format!("QMP cont: {closed}"));
}

#[test]
fn a_greeting_that_arrives_in_pieces_is_read_whole() {
    let pieces = &["{\"QMP\": {\"ver", "sion\"", ": {}}}\n"];
    let (stream, _qemu) = fake_qemu(pieces, after_greeting(&[]));
    connect(stream).unwrap();
}

#[test]
fn silence_ends_at_the_deadline() {
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let error = Qmp::with_deadline(ours, Duration::ZERO, SLICE)
        .err()
        .unwrap();
    let shown = format!("{error:#}");
    assert_eq!(shown, "no greeting from QEMU: no answer within 0 s");
}

#[test]
fn a_failed_migration_is_an_error() {
    let replies = after_greeting(&[
        r#"{"return": {}}"#,
        r#"{"return": {}}"#,
        r#"{"return": {}}"#,
        r#"{"return": {"status": "active"}}"#,
        r#"{"return": {"status": "failed"}}"#,
    ]);
    let (stream, qemu) = fake_qemu(&[GREETING], replies);
    let mut qmp = connect(stream).unwrap();
    let error = qmp.save(Path::new("/state")).unwrap_err().to_string();
    assert_eq!(error, r#"QMP migrate: {"status":"failed"}"#);
    drop(qmp);
    let commands = qemu.join().unwrap();
    assert_eq!(
        commands[1..4],
        ["stop", "migrate-set-parameters", "migrate"]
    );
}

#[test]
fn any_file_name_is_one_word_of_a_shell() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("it's $HOME; \"x\" `y` \\ *");
    let mut sh = process::command("sh");
    sh.args(["-c", &format!("echo kept > {}", quoted(&file))]);
    process::run(sh, "sh", DEADLINE).unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "kept\n");
}

#[test]
fn forwards_are_read_from_the_monitor_table() {
    let table = "Hub -1 (net0):\n  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\n\
                 \x20 TCP[HOST_FORWARD]  14       127.0.0.1 37781       10.0.2.15    22     0     0\n\
                 \x20 TCP[HOST_FORWARD]  15       127.0.0.1 37782       10.0.2.15  8080     0     0\n";
    assert_eq!(parse_forward(table, 22), Some(37781));
    assert_eq!(parse_forward(table, 8080), Some(37782));
    assert_eq!(parse_forward(table, 80), None);
}

#[test]
fn the_hardware_clock_is_a_date_and_a_time() {
    let replies = after_greeting(&[
        r#"{"return": {"tm_year": 130, "tm_mon": 0, "tm_mday": 31, "tm_hour": 23, "tm_min": 5, "tm_sec": 9}}"#,
        r#"{"return": {"tm_year": 130}}"#,
    ]);
    let (stream, _qemu) = fake_qemu(&[GREETING], replies);
    let mut qmp = connect(stream).unwrap();
    assert_eq!(qmp.hardware_clock().unwrap(), "2030-01-31T23:05:09");
    let error = qmp.hardware_clock().unwrap_err().to_string();
    assert_eq!(error, r#"not a time: {"tm_year":130}"#);
}
