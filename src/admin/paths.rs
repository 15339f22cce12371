//! Routes that are known by name: what is served is what OpenAPI tells.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::routing::{MethodFilter, on};
use http::Method;

use super::AdminState;

/// Routes, and the list of them.
#[derive(Default)]
pub(super) struct Paths {
    router: Router<AdminState>,
    listed: Vec<(Method, &'static str)>,
}

impl Paths {
    pub(super) fn get<H: Handler<T, AdminState>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add(Method::GET, MethodFilter::GET, path, handler)
    }

    pub(super) fn post<H: Handler<T, AdminState>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add(Method::POST, MethodFilter::POST, path, handler)
    }

    pub(super) fn put<H: Handler<T, AdminState>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add(Method::PUT, MethodFilter::PUT, path, handler)
    }

    pub(super) fn patch<H: Handler<T, AdminState>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add(Method::PATCH, MethodFilter::PATCH, path, handler)
    }

    pub(super) fn delete<H: Handler<T, AdminState>, T: 'static>(
        self,
        path: &'static str,
        handler: H,
    ) -> Self {
        self.add(Method::DELETE, MethodFilter::DELETE, path, handler)
    }

    /// Lets bodies be so large, in bytes.
    pub(super) fn with_bodies(self, max: usize) -> Self {
        Self { router: self.router.layer(DefaultBodyLimit::max(max)), ..self }
    }

    /// All of both.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.listed.extend(other.listed);
        Self { router: self.router.merge(other.router), listed: self.listed }
    }

    /// The routes.
    pub(super) fn into_router(self) -> Router<AdminState> {
        self.router
    }

    /// The methods and paths.
    #[cfg(test)]
    pub(super) fn listed(&self) -> &[(Method, &'static str)] {
        &self.listed
    }

    fn add<H: Handler<T, AdminState>, T: 'static>(
        mut self,
        method: Method,
        filter: MethodFilter,
        path: &'static str,
        handler: H,
    ) -> Self {
        self.listed.push((method, path));
        Self { router: self.router.route(path, on(filter, handler)), listed: self.listed }
    }
}
