//! Nothing that a fixture starts outlives the process of the tests.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use aggregator_tests::process::{Process, lives};
use aggregator_tests::wait::eventually;

/// Set for the process that is killed.
const VICTIM: &str = "AGGREGATOR_TESTS_VICTIM";

fn sleep() -> Process {
    Process::start(Path::new("sleep"), ["600"], Path::new("/dev/null"))
}

#[test]
fn a_server_outlives_the_thread_that_asked_for_it_and_not_its_handle() {
    let mut server = std::thread::spawn(sleep).join().unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert!(!server.ended());
    let process = server.id();
    assert!(lives(process));
    drop(server);
    assert!(!lives(process));
}

#[test]
fn a_server_ends_with_a_process_that_is_killed() {
    if std::env::var_os(VICTIM).is_some() {
        let server = sleep();
        println!("\nserver {}", server.id());
        std::thread::sleep(Duration::from_secs(600));
        drop(server);
    }
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_server_ends_with_a_process_that_is_killed", "--nocapture"])
        .env(VICTIM, "yes")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(victim.stdout.take().unwrap()).lines().map_while(Result::ok);
    let process: u32 = lines.into_iter().find_map(|line| line.strip_prefix("server ")?.parse().ok()).unwrap();
    // It has become the program, and so has asked the kernel for its end.
    eventually("the server", || {
        let name = std::fs::read_to_string(format!("/proc/{process}/comm")).unwrap();
        (name.trim() == "sleep").then_some(())
    });
    assert!(lives(process));
    victim.kill().unwrap();
    victim.wait().unwrap();
    eventually("the server's end", || (!lives(process)).then_some(()));
}
