use tokio::time::sleep;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn thousands_of_instances_are_spread_over_the_interval_and_none_is_left_out() {
    let agent = agent().build().unwrap();
    let checked: Vec<_> = (0..5000).map(|_| Checked::new(Behavior::Answers)).collect();
    for (number, checked) in checked.iter().enumerate() {
        let layer = builder(&format!("instance {number}")).build().unwrap();
        agent.watch(layer.breaker(), checked.clone()).unwrap();
    }
    let begun = || checked.iter().map(Checked::begun).sum::<u32>();
    let mut last = 0;
    for _ in 0..10 {
        sleep(secs(1)).await;
        let now = begun();
        assert!((400..=600).contains(&(now - last)), "{}", now - last);
        last = now;
    }
    sleep(ms(2)).await; // tokio's timers are up to a millisecond late.
    assert!(checked.iter().all(|checked| checked.begun() >= 1));
    sleep(secs(100)).await;
    assert!(checked.iter().all(|checked| (10..=12).contains(&checked.begun())));
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_schedule() {
    let schedule = async || {
        let agent = agent().jitter(0.5).build().unwrap();
        agent.watch(&breaker(), Checked::new(Behavior::Answers)).unwrap();
        let start = tokio::time::Instant::now();
        let mut times = Vec::new();
        while times.len() < 10 {
            sleep(ms(10)).await;
            if agent.instance("instance").unwrap().checks > times.len() as u64 {
                times.push(start.elapsed());
            }
        }
        times
    };
    let first = schedule().await;
    assert_eq!(first, schedule().await);
}
