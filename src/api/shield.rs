//! A panic ends one answer, not the process: it is caught, and counted.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;

use crate::telemetry::Metrics;

/// Does a part of an exchange; `None` if it panicked. What it held is dropped then, its state is not used again.
pub(super) async fn shield<T>(metrics: &Metrics, work: impl Future<Output = T>) -> Option<T> {
    let done = AssertUnwindSafe(work).catch_unwind().await.ok();
    if done.is_none() {
        metrics.panics.inc();
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_caught_and_counted() {
        let metrics = Metrics::new();
        assert_eq!(shield(&metrics, async { 1 }).await, Some(1));
        assert_eq!(metrics.panics.get(), 0);
        let panics = async {
            tokio::task::yield_now().await;
            panic!("a defect");
        };
        assert_eq!(shield::<()>(&metrics, panics).await, None);
        assert_eq!(metrics.panics.get(), 1);
    }
}
