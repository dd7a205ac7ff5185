//! Shards as an engine starts them: the same command line again and again, on disks that are not shared.

use fmr::store::RunStore;

use crate::support::{Lab, records};

#[test]
fn a_shard_can_be_asked_for_again_at_will() {
    let lab = Lab::new();
    lab.succeed(&["run", "lab.toml", "--out", "whole"]);
    for shard in ["0/3", "1/3", "2/3", "1/3"] {
        let printed = lab.succeed(&["run", "lab.toml", "--shard", shard, "--set", "run.folder=shards"]);
        let name = format!("shards/lab-shard-000{}-of-0003", &shard[..1]);
        assert!(printed.trim_end().ends_with(&name), "{printed}");
    }
    let shards = [0, 1, 2].map(|i| format!("shards/lab-shard-000{i}-of-0003"));
    let refused = lab.refuse(&["merge", &shards[1], "--out", "merged"]);
    assert!(refused.contains("shard 0,2 of 3"), "{refused}");
    lab.succeed(&["merge", &shards[2], &shards[0], &shards[1], "--out", "merged"]);
    assert_eq!(records(&lab.path("merged")), records(&lab.path("whole")));

    let refused = lab.refuse(&["run", "lab.toml", "--shard", "1/3", "--out", &shards[0]]);
    assert!(refused.contains("holds shard 0/3 of the run, not shard 1/3"), "{refused}");
    let others = ["run", "lab.toml", "--shard", "0/3", "--set", "run.folder=shards", "--set", "search.budget=7"];
    let refused = lab.refuse(&others);
    assert!(refused.contains("search.budget was \"6\" when it began and is \"7\" now"), "{refused}");
    for wrong in ["3/3", "0/0", "x", "-1/3"] {
        let output = lab.fmr(&["run", "lab.toml", &format!("--shard={wrong}")]);
        assert_eq!(output.status.code(), Some(2), "{wrong}");
    }
    // As earlier versions counted.
    lab.succeed(&["run", "lab.toml", "--part", "1/3", "--out", "first"]);
    assert_eq!(records(&lab.path("first")), records(&lab.path(&shards[0])));
}

#[test]
fn a_shard_works_on_its_own_disk_and_is_published_whole() {
    let lab = Lab::new();
    let publish = ["run", "lab.toml", "--shard", "0/2", "--publish", "shared", "--work", "disk"];
    let printed = lab.succeed(&publish);
    let shared = lab.path("shared/lab-shard-0000-of-0002");
    assert!(printed.trim_end().ends_with("shared/lab-shard-0000-of-0002"), "{printed}");
    let store = RunStore::read(&shared).unwrap();
    assert!(store.is_finished().unwrap() && shared.join("report.html").is_file());
    assert!(!lab.path("disk/lab-shard-0000-of-0002").exists());
    // A task that is started again finds it done.
    assert_eq!(lab.succeed(&publish).trim_end(), "shared/lab-shard-0000-of-0002");
    // A twin that did not see the first one publish ends well, and the first one's results stay.
    lab.succeed(&["run", "lab.toml", "--shard", "0/2", "--out", "twin"]);
    let twin = RunStore::open_to_judge(&lab.path("twin")).unwrap();
    assert_eq!(twin.publish(&shared).unwrap(), fmr::store::Published::Before);
    drop((store, twin));
    lab.succeed(&["run", "lab.toml", "--shard", "1/2", "--publish", "shared", "--work", "disk"]);
    lab.succeed(&["run", "lab.toml", "--out", "whole"]);
    lab.succeed(&["merge", "shared/lab-shard-0000-of-0002", "shared/lab-shard-0001-of-0002", "--out", "merged"]);
    assert_eq!(records(&lab.path("merged")), records(&lab.path("whole")));
}

#[test]
fn exit_codes_tell_engines_what_to_do() {
    let lab = Lab::new();
    lab.succeed(&["run", "lab.toml", "--out", "run"]);
    let code = |arguments: &[&str]| lab.fmr(arguments).status.code();
    assert_eq!(code(&["run", "absent.toml"]), Some(1));
    assert_eq!(code(&["run", "lab.toml", "--shards"]), Some(2));
    // Another process is at work there.
    let _held = RunStore::open_to_judge(&lab.path("run")).unwrap();
    assert_eq!(code(&["resume", "run"]), Some(75));
}
