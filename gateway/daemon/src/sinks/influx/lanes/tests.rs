use super::*;

/// Whose turn it was.
fn letter(job: Job) -> char {
    match job {
        Job::Live { .. } => 'L',
        Job::Backlog { .. } => 'B',
        Job::Again { .. } => 'A',
        Job::Fill { .. } => 'F',
    }
}

#[test]
fn one_lane_in_order_while_it_keeps_up() {
    let mut lanes = Lanes::new(10, &[], 100);
    assert_eq!(lanes.next(10), None);
    let job = lanes.next(12).unwrap();
    assert_eq!(job, Job::Live { after: 10 });
    lanes.done(job, 12);
    assert_eq!((lanes.cursor(), lanes.next(12)), (12, None));
    assert_eq!(lanes.next(112), Some(Job::Live { after: 12 }), "as much as this is no backlog");
}

/// Works off a backlog of 1,000 records, 50 at a time, while `each` come between two requests. Gives whose turns they were
/// up to the end of the backlog, and the most records that waited in the lane of the newest.
fn worked_off(each: u64) -> (String, u64) {
    let mut lanes = Lanes::new(0, &[], 100);
    let (mut head, mut turns, mut next, mut most) = (1_000, String::new(), 0, 0);
    while let Some(job) = lanes.next(head).filter(|_| next < 975) {
        turns.push(letter(job));
        match job {
            Job::Backlog { after, end } => {
                assert_eq!((lanes.cursor(), after), (next, next), "oldest first; the cursor stays with it");
                next = (after + 50).min(end);
                lanes.done(job, next);
            }
            Job::Live { after } => {
                assert!(after >= 975, "the newest of the outage itself go with the newest");
                most = most.max(head - after);
                lanes.done(job, (after + 50).min(head));
            }
            other => panic!("{other:?}"),
        }
        head += each;
    }
    (turns, most)
}

#[test]
fn the_newest_go_first_whenever_there_are_any_and_the_backlog_has_every_other_turn() {
    for each in [1, 10, 20] {
        let (turns, most) = worked_off(each);
        assert_eq!(turns, "LB".repeat(20), "{each} at a time");
        assert!(most <= 2 * each.max(13), "{most} of the newest waited, {each} came at a time");
    }
    // Nothing new: all turns, but for the one with what came last in the outage.
    assert_eq!(worked_off(0).0, format!("L{}", "B".repeat(20)));
}

#[test]
fn a_flood_of_newest_takes_no_more_than_every_other_turn() {
    // More come than half of the requests can carry: what the newest leave behind becomes backlog behind the first.
    let (turns, most) = worked_off(60);
    assert_eq!(turns, "LB".repeat(20));
    assert!(most <= 100 + 60, "{most} of the newest waited");
}

#[test]
fn a_second_outage_in_the_middle_of_it_is_backlog_too_and_the_newest_go_first_again() {
    let mut lanes = Lanes::new(0, &[], 100);
    for (head, up_to) in [(1_000, 1_000), (1_000, 500)] {
        let job = lanes.next(head).unwrap();
        lanes.done(job, up_to);
    }
    assert_eq!((lanes.cursor(), lanes.next(1_100)), (500, Some(Job::Live { after: 1_000 })));
    // It was away again, with the newest up to 1,010 under way.
    lanes.done(Job::Live { after: 1_000 }, 1_010);
    let mut order = Vec::new();
    while let Some(job) = lanes.next(2_000) {
        order.push(job);
        let up_to = match job {
            Job::Live { .. } => 2_000,
            Job::Backlog { end, .. } => end,
            other => panic!("{other:?}"),
        };
        lanes.done(job, up_to);
    }
    let [first, live, second] = order[..] else { panic!("{order:?}") };
    assert_eq!(first, Job::Backlog { after: 500, end: 975 }, "the newest had the turn before");
    assert_eq!(live, Job::Live { after: 1_975 });
    assert_eq!(second, Job::Backlog { after: 1_010, end: 1_975 });
    assert_eq!((lanes.cursor(), lanes.catching_up()), (2_000, false));
}

#[test]
fn a_store_that_comes_and_goes_leaves_no_endless_list() {
    let mut lanes = Lanes::new(0, &[], 100);
    for n in 1..=1_000 {
        let job = lanes.next(n * 200).unwrap();
        if let Job::Live { after } = job {
            lanes.done(job, after + 1);
        }
        lanes.live_was_last = false;
    }
    assert_eq!((lanes.backlog.len(), lanes.cursor()), (MOST_PARTS, 0));
}

#[test]
fn holes_are_filled_oldest_first_and_never_before_the_live_ones() {
    let holes = [Hole { first: 5, last: 9 }, Hole { first: 20, last: 29 }];
    let mut lanes = Lanes::new(100, &holes, 100);
    assert_eq!(lanes.missing(), 15);
    let mut turns = String::new();
    for head in 101..=108 {
        let job = lanes.next(head).unwrap();
        let up_to = match job {
            Job::Live { .. } => head,
            Job::Fill { hole } => hole.last,
            other => panic!("{other:?}"),
        };
        turns.push(letter(job));
        lanes.done(job, up_to);
    }
    assert_eq!(turns, "LLLLFLLL");
    let fill = Job::Fill { hole: holes[1] };
    assert_eq!(lanes.next(108), Some(fill), "idle: all turns");
    lanes.done(fill, 24);
    assert_eq!(lanes.missing(), 5);
    assert_eq!(lanes.next(108), Some(Job::Fill { hole: Hole { first: 25, last: 29 } }));
}

#[test]
fn holes_have_a_share_beside_a_backlog_and_the_newest() {
    let hole = Hole { first: 1, last: 9_000 };
    let mut lanes = Lanes::new(10_000, &[hole], 100);
    let (mut head, mut turns) = (20_000, String::new());
    for _ in 0..40 {
        let job = lanes.next(head).unwrap();
        turns.push(letter(job));
        match job {
            Job::Live { .. } => lanes.done(job, head),
            Job::Backlog { after, .. } => lanes.done(job, after + 50),
            Job::Fill { hole } => lanes.done(job, hole.first + 9),
            Job::Again { .. } => panic!("nothing was corrected"),
        }
        head += 1;
    }
    let of = |kind| turns.chars().filter(|turn| *turn == kind).count();
    assert_eq!((of('L'), of('B'), of('F')), (20, 16, 4), "{turns}");
}

#[test]
fn what_became_a_hole_is_passed_over() {
    let mut lanes = Lanes::new(0, &[], 100);
    lanes.done(lanes.clone().next(1_000).unwrap(), 0);
    assert_eq!(lanes.next(1_000), Some(Job::Backlog { after: 0, end: 975 }));
    lanes.skip(600);
    assert_eq!((lanes.cursor(), lanes.next(1_000)), (600, Some(Job::Backlog { after: 600, end: 975 })));
    lanes.done(Job::Backlog { after: 0, end: 975 }, 50);
    assert_eq!(lanes.cursor(), 600, "what was under way meanwhile takes nothing back");
    lanes.skip(1_500);
    assert_eq!((lanes.cursor(), lanes.next(1_000)), (1_500, None));
}

/// Lanes with a backlog of 1 to 975 left, and corrections of 1,003 and 1,005 sent live.
fn overtaken() -> Lanes {
    let mut lanes = Lanes::new(0, &[], 100);
    assert_eq!(lanes.next(1_000), Some(Job::Live { after: 975 }));
    for (after, up_to) in [(975, 1_000), (1_000, 1_004), (1_004, 1_006), (1_006, 1_010)] {
        let live = Job::Live { after };
        if (1_003..1_010).contains(&up_to) {
            lanes.corrected(live, (up_to - 1, up_to - 1));
        }
        lanes.done(live, up_to);
    }
    lanes
}

#[test]
fn corrections_that_overtook_the_backlog_go_again_behind_it() {
    let mut lanes = overtaken();
    let backlog = lanes.next(1_010).unwrap();
    assert_eq!(backlog, Job::Backlog { after: 0, end: 975 });
    lanes.done(backlog, 975);
    assert_eq!((lanes.cursor(), lanes.catching_up()), (1_002, true), "a restart begins before them");
    let again = lanes.next(1_010).unwrap();
    assert_eq!(again, Job::Again { after: 1_002, end: 1_005 });
    lanes.done(again, 1_003);
    // One more overtakes what is left; it may correct the same point.
    lanes.corrected(Job::Live { after: 1_010 }, (1_012, 1_012));
    lanes.done(Job::Live { after: 1_010 }, 1_020);
    assert_eq!(lanes.next(1_020), Some(Job::Again { after: 1_003, end: 1_012 }));
    lanes.done(Job::Again { after: 1_003, end: 1_012 }, 1_012);
    lanes.corrected(Job::Live { after: 1_020 }, (1_021, 1_021));
    assert_eq!((lanes.cursor(), lanes.next(1_020)), (1_020, None), "in order again");
}

#[test]
fn corrections_of_a_second_outage_keep_the_last_word_over_those_that_go_again() {
    let mut lanes = overtaken();
    assert_eq!(lanes.next(1_010), Some(Job::Backlog { after: 0, end: 975 }));
    lanes.done(Job::Backlog { after: 0, end: 975 }, 975);
    // Away again, up to 2,000: the second part comes before those that go again, and has corrections of its own.
    let second = Job::Backlog { after: 1_010, end: 1_975 };
    assert_eq!(lanes.next(2_000), Some(Job::Live { after: 1_975 }));
    lanes.done(Job::Live { after: 1_975 }, 2_000);
    assert_eq!(lanes.next(2_000), Some(second));
    lanes.corrected(second, (1_400, 1_500));
    lanes.done(second, 1_975);
    let again = Job::Again { after: 1_002, end: 1_500 };
    assert_eq!(lanes.next(2_000), Some(again), "1,003 and 1,005 are followed by what is newer");
    lanes.corrected(again, (1_003, 1_500));
    lanes.done(again, 1_500);
    assert_eq!((lanes.cursor(), lanes.catching_up()), (2_000, false));
}

#[test]
fn corrections_of_the_backlog_alone_go_once() {
    let mut lanes = overtaken();
    let backlog = lanes.next(1_010).unwrap();
    lanes.corrected(backlog, (300, 400));
    lanes.done(backlog, 975);
    assert_eq!(lanes.next(1_010), Some(Job::Again { after: 1_002, end: 1_005 }), "they overtook nothing");
}

#[test]
fn corrections_that_became_a_hole_wait_for_nothing() {
    let mut lanes = overtaken();
    lanes.skip(1_004);
    assert_eq!((lanes.cursor(), lanes.next(1_010)), (1_004, Some(Job::Again { after: 1_004, end: 1_005 })));
    lanes.skip(1_010);
    assert_eq!((lanes.cursor(), lanes.next(1_010)), (1_010, None));
}

#[test]
fn a_store_that_forgot_gets_it_again() {
    let mut lanes = Lanes::new(0, &[], 100);
    let job = lanes.next(50).unwrap();
    lanes.done(job, 50);
    lanes.rewind(20);
    assert_eq!((lanes.cursor(), lanes.next(50)), (20, Some(Job::Live { after: 20 })));
}
