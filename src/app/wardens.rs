//! One warden for each pool of the configuration in force.

use std::sync::Arc;

use hashbrown::HashMap;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use crate::upstream::dns::{Resolve, Resolver};
use crate::upstream::{Pool, watch_over};

/// Has each pool looked after for as long as it is configured. Ends with the sender. To be run on a runtime that takes
/// local tasks.
pub(super) async fn keep(mut pools: watch::Receiver<Vec<Arc<Pool>>>, resolve: Resolve) {
    let mut resolver = None;
    let mut tasks = JoinSet::new();
    let mut kept: HashMap<*const Pool, (Arc<Pool>, AbortHandle)> = HashMap::new();
    loop {
        let configured = pools.borrow_and_update().clone();
        let configured: HashMap<*const Pool, Arc<Pool>> =
            configured.into_iter().map(|pool| (Arc::as_ptr(&pool), pool)).collect();
        kept.retain(|_, (pool, task)| {
            let stays = configured.contains_key(&Arc::as_ptr(pool));
            if !stays {
                task.abort();
            }
            stays
        });
        while let Some(ended) = tasks.try_join_next() {
            if ended.is_err_and(|error| error.is_panic()) {
                tracing::error!("a warden of a pool panicked");
            }
        }
        for (at, pool) in configured {
            kept.entry(at).or_insert_with(|| {
                if resolver.is_none() && !pool.sources().is_empty() {
                    resolver = open(&resolve);
                }
                let task = tasks.spawn_local(watch_over(Arc::clone(&pool), resolver.clone()));
                (pool, task)
            });
        }
        if pools.changed().await.is_err() {
            return;
        }
    }
}

fn open(resolve: &Resolve) -> Option<Resolver> {
    match resolve.resolver() {
        Ok(resolver) => Some(resolver),
        Err(why) => {
            tracing::error!(%why, "names of endpoints are not followed");
            None
        }
    }
}
