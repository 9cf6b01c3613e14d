use std::time::Duration;

use tower_breaker_speed::{
    contestant::Contestant,
    instructions,
    path::Path,
    primary::Steady,
    statistics::Spread,
    threads,
    timing::{self, Effort},
};

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let _guard = runtime.enter();
    let pairs: Vec<_> = Path::ALL
        .iter()
        .flat_map(|path| Contestant::ALL.iter().map(|contestant| (*contestant, *path)))
        .filter(|(contestant, path)| contestant.subject(*path, Steady).is_some() || *path == Path::Learned)
        .collect();
    let subjects = || pairs.iter().filter_map(|(c, p)| c.subject(*p, Steady));
    if std::env::args().any(|arg| arg == "--under-callgrind") {
        return instructions::run_regions(subjects());
    }
    let pairs: Vec<_> = pairs
        .iter()
        .filter(|(c, p)| *p != Path::Learned || matches!(c, Contestant::Ours | Contestant::Bare))
        .copied()
        .collect();
    let me = std::env::current_exe().unwrap().display().to_string();
    let counts = instructions::count(&[me, "--under-callgrind".to_owned()], pairs.len()).unwrap();
    let mut all: Vec<_> = pairs.iter().filter_map(|(c, p)| c.subject(*p, Steady)).collect();
    let effort = Effort {
        rounds: 100,
        batch: Duration::from_millis(1),
    };
    let times = timing::interleaved(&mut all, effort, &|| ());
    for (index, (contestant, path)) in pairs.iter().enumerate() {
        let base = pairs
            .iter()
            .position(|(c, p)| *c == Contestant::Bare && p == path)
            .unwrap();
        let over = Spread::of_differences(&times[index], &times[base]).unwrap();
        let absolute = Spread::of(&times[index]).unwrap();
        let count = counts.as_ref().map_or(f64::NAN, |counts| counts[index]);
        let ratio = if *path == Path::Closed {
            let make = || contestant.subject(*path, Steady).unwrap();
            Spread::of(&threads::shared_to_own(
                &make,
                Effort {
                    rounds: 60,
                    batch: Duration::from_millis(5),
                },
            ))
        } else {
            None
        };
        println!(
            "{:10} {:22} {:7.1} {:7.1} [{:.1} {:.1}] instr {:.1} 2 threads {:?}",
            path.name(),
            contestant.name(),
            absolute.median,
            over.median,
            over.lower,
            over.upper,
            count,
            ratio
        );
    }
}
