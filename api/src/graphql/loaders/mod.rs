//! Batched look-ups, one set per request: a list of a hundred rows costs one statement per kind of thing beside it.

pub mod catalog;
pub mod lists;

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_graphql::dataloader::{DataLoader, Loader, NoCache};
use domain::{Domain, DomainError, read};
use entities::{
    approval_group, client, credential,
    id::{
        ApprovalGroupId, ClientId, CredentialId, PlanId, PolicyId, ProductId, ProfileId, ScopeRequestId, SubmissionId,
        SubscriptionId, TeamId, TierId, UserId,
    },
    membership, plan, policy, product, profile, scope_request, submission, subscription, team, tier, user,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::graphql::batches::Batches;

/// Rows of one table by id, for what the viewer reached through something they may see.
pub struct Rows(pub(super) Domain);

fn loader<T>(of: T, batches: &Batches) -> DataLoader<T, NoCache> {
    let batches = batches.clone();
    DataLoader::new(of, move |batch| batches.add(batch)).delay(Duration::ZERO)
}

macro_rules! row_loaders {
    ($($field:ident: $id:ident => $module:ident)*) => {
        /// This request's loaders.
        pub struct Loaders {
            $(pub $field: DataLoader<Rows, NoCache>,)*
            pub lists: DataLoader<lists::Lists, NoCache>,
        }

        impl Loaders {
            /// `batches` decides when they fetch.
            pub fn new(domain: &Domain, batches: &Batches) -> Self {
                Self {
                    $($field: loader(Rows(domain.clone()), batches),)*
                    lists: loader(lists::Lists(domain.clone()), batches),
                }
            }
        }

        $(impl Loader<$id> for Rows {
            type Value = $module::Model;
            type Error = Arc<DomainError>;

            async fn load(&self, ids: &[$id]) -> Result<HashMap<$id, Self::Value>, Self::Error> {
                let rows = $module::Entity::find()
                    .filter($module::Column::Id.is_in(ids.iter().map(|id| id.0)))
                    .all(&self.0.db)
                    .await
                    .map_err(|error| Arc::new(error.into()))?;
                Ok(rows.into_iter().map(|row| (row.id, row)).collect())
            }
        })*
    };
}

row_loaders! {
    approval_groups: ApprovalGroupId => approval_group
    clients: ClientId => client
    credentials: CredentialId => credential
    plans: PlanId => plan
    policies: PolicyId => policy
    products: ProductId => product
    profiles: ProfileId => profile
    scope_requests: ScopeRequestId => scope_request
    submissions: SubmissionId => submission
    subscriptions: SubscriptionId => subscription
    teams: TeamId => team
    tiers: TierId => tier
    users: UserId => user
}

/// Whether two people share a team.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mates {
    pub viewer: UserId,
    pub person: UserId,
}

impl Loader<Mates> for Rows {
    type Value = ();
    type Error = Arc<DomainError>;

    async fn load(&self, pairs: &[Mates]) -> Result<HashMap<Mates, ()>, Self::Error> {
        // One viewer a request, but for a request that signs in on its way.
        let Some(Mates { viewer, .. }) = pairs.first().copied() else { return Ok(HashMap::new()) };
        let people: Vec<_> = pairs.iter().map(|pair| pair.person).collect();
        let mates = read::people::mates(&self.0, viewer, &people).await.map_err(Arc::new)?;
        Ok(pairs.iter().filter(|p| p.viewer == viewer && mates.contains(&p.person)).map(|pair| (*pair, ())).collect())
    }
}

/// A person's membership in a team.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MemberOf {
    pub team: TeamId,
    pub user: UserId,
}

impl Loader<MemberOf> for Rows {
    type Value = membership::Model;
    type Error = Arc<DomainError>;

    async fn load(&self, pairs: &[MemberOf]) -> Result<HashMap<MemberOf, membership::Model>, Self::Error> {
        let rows = membership::Entity::find()
            .filter(membership::Column::UserId.is_in(pairs.iter().map(|pair| pair.user)))
            .filter(membership::Column::TeamId.is_in(pairs.iter().map(|pair| pair.team)))
            .all(&self.0.db)
            .await
            .map_err(|error| Arc::new(error.into()))?;
        Ok(rows.into_iter().map(|row| (MemberOf { team: row.team_id, user: row.user_id }, row)).collect())
    }
}

/// A loader's answer for something that a foreign key says is there.
pub fn found<T>(answer: Result<Option<T>, Arc<DomainError>>) -> async_graphql::Result<T> {
    loaded(answer)?.ok_or_else(|| crate::error::to_graphql(DomainError::NotFound("row")))
}

/// A loader's answer for something that need not be there.
pub fn loaded<T>(answer: Result<Option<T>, Arc<DomainError>>) -> async_graphql::Result<Option<T>> {
    answer.map_err(|error| crate::error::to_graphql(DomainError::Unavailable(error.to_string().into())))
}
