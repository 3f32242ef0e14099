use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::{Bench, Outcome, expect, failed};

pub(super) fn folders(bench: &Bench<'_>) -> Outcome {
    let top = bench.put("top", b"1")?;
    let inner = bench.put("data/aa/one", b"22")?;
    let deep = bench.put("data/aa/bb/two", b"333")?;
    let beside = bench.put("data2/three", b"4444")?;
    let all = [(deep.clone(), 3), (inner.clone(), 2), (beside, 4), (top.clone(), 1)];
    let below = |name: &str| format!("{}/{name}", bench.folder);
    let cases = [
        (bench.folder.clone(), all.to_vec()),
        (below("data"), vec![(deep.clone(), 3), (inner.clone(), 2)]),
        (below("data/aa/bb"), vec![(deep, 3)]),
        (below("data/aa/one"), vec![(inner, 2)]),
        (below("top"), vec![(top, 1)]),
        (below("absent"), vec![]),
        (below("da"), vec![]),
        (below("absent/deeper"), vec![]),
    ];
    for (folder, wanted) in cases {
        let listed = bench.list(&folder)?;
        expect(listed == wanted, || {
            format!("{folder} lists {listed:?} instead of {wanted:?}")
        })?;
    }
    let everything = bench.list("")?;
    expect(all.iter().all(|object| everything.contains(object)), || {
        "the listing of everything lacks some objects".to_owned()
    })?;
    Ok(None)
}

pub(super) fn stops(bench: &Bench<'_>) -> Outcome {
    for number in 0..20 {
        bench.put(format!("{}/{number}", number % 3), b"x")?;
    }
    let mut seen = 0;
    bench
        .store
        .list(&bench.folder, &mut |_| {
            seen += 1;
            if seen == 5 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
        .map_err(failed)?;
    expect(seen == 5, || {
        format!("the listing went on to {seen} objects after it was stopped at 5")
    })?;
    Ok(None)
}

pub(super) fn many(bench: &Bench<'_>) -> Outcome {
    const OBJECTS: usize = 10_000;
    let threads = bench.store.capabilities().concurrency.clamp(1, 16);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|worker| {
                scope.spawn(move || {
                    (worker..OBJECTS)
                        .step_by(threads)
                        .try_for_each(|number| bench.put(format!("{:02x}/{number}", number % 16), b"x").map(|_| ()))
                })
            })
            .collect();
        workers.into_iter().try_for_each(super::concurrent::finished)
    })?;
    let listed = bench.list(&bench.folder)?;
    let names: BTreeSet<_> = listed.iter().map(|(key, _)| key).collect();
    expect(names.len() == OBJECTS && listed.len() == OBJECTS, || {
        format!(
            "{OBJECTS} objects are listed as {} of {} names",
            listed.len(),
            names.len()
        )
    })?;
    Ok(None)
}
