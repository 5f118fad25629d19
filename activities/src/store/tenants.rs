//! The store of one tenant, which row-level security keeps from the rows of all others.

use super::connect::{Target, tenant_pool};
use super::{Backend, Store, StoreError};
use futures::future::join_all;
use sqlx::AnyPool;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Connections by tenant: what a connection may see is said once, when it is made, so that no statement pays for it and
/// none can inherit the tenant of the statement before it.
#[derive(Debug)]
pub(super) struct TenantPools {
    target: Target,
    pools: Mutex<HashMap<String, AnyPool>>,
}

impl TenantPools {
    pub(super) fn new(target: Target) -> Self {
        Self { target, pools: Mutex::default() }
    }

    fn of(&self, tenant: &str) -> AnyPool {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        match pools.get(tenant) {
            Some(pool) if !pool.is_closed() => pool.clone(),
            _ => {
                let pool = tenant_pool(&self.target, tenant);
                pools.insert(tenant.to_owned(), pool.clone());
                pool
            }
        }
    }

    pub(super) async fn close(&self) {
        let pools = std::mem::take(&mut *self.pools.lock().unwrap_or_else(PoisonError::into_inner));
        join_all(pools.values().map(AnyPool::close)).await;
    }
}

impl Store {
    /// The same store for the work of one tenant. Cheap: it opens nothing until it is used, and the handles of a tenant share
    /// a few connections.
    ///
    /// On PostgreSQL a statement that forgets its filter touches rows of `tenant` only, and what belongs to the installation
    /// (breakers, its budgets); a row of another tenant is refused. There is no way back: a store that is narrowed stays with
    /// its tenant, whatever it is asked for later. SQLite has no such guard, and the filters stand alone.
    #[must_use]
    pub fn for_tenant(&self, tenant: &str) -> Self {
        let Some(tenants) = &self.tenants else { return self.clone() };
        let pool = tenants.of(tenant);
        Self { readers: pool.clone(), writers: pool, tenants: None, backend: self.backend, place: self.place.clone() }
    }

    /// Whether the database leaves tenants apart to the filters alone, because the role of this store passes over row-level
    /// security: a superuser, or a role with `BYPASSRLS`. Always so on SQLite.
    pub async fn relies_on_filters(&self) -> Result<bool, StoreError> {
        if self.backend == Backend::Sqlite {
            return Ok(true);
        }
        let bypasses = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user";
        sqlx::query_scalar(bypasses).fetch_one(&self.readers).await.map_err(|error| self.error(error))
    }
}
