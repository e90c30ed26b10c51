//! Teams and tiers, as far as a viewer may see them.

use entities::{
    id::{TeamId, TierId, UserId},
    membership, team, tier,
};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait, Func},
};

use super::{
    page::{Page, PageRequest, newest_first},
    search::{containing, words},
};
use crate::{
    Actor, Domain, Result, access,
    rules::policy::{MemberRight, StaffRight},
};

/// A team by id, for its members and for staff.
pub async fn visible(ctx: &Domain, actor: &Actor, id: TeamId) -> Result<Option<team::Model>> {
    if !access::allowed(&ctx.db, actor, id, MemberRight::SeeTeam).await? {
        return Ok(None);
    }
    Ok(team::Entity::find_by_id(id).one(&ctx.db).await?)
}

/// The teams that a person is in, oldest first.
pub async fn of_user(ctx: &Domain, user: UserId) -> Result<Vec<team::Model>> {
    let own = membership::Entity::for_user(user).select_only().column(membership::Column::TeamId);
    let list = team::Entity::find().filter(team::Column::Id.in_subquery(own.into_query()));
    Ok(list.order_by_asc(team::Column::Id).all(&ctx.db).await?)
}

/// All teams, for staff, newest first; `search` looks into names and slugs.
pub async fn all(ctx: &Domain, actor: &Actor, search: Option<&str>, page: &PageRequest) -> Result<Page<team::Model>> {
    access::require_staff(actor, StaffRight::Read)?;
    let mut list = team::Entity::find();
    for word in words(search) {
        let has = |column: team::Column| Expr::expr(Func::lower(Expr::col(column))).like(containing(&word));
        list = list.filter(Condition::any().add(has(team::Column::Name)).add(has(team::Column::Slug)));
    }
    newest_first::<_, TeamId>(ctx, list, team::Column::Id, page).await
}

/// All tiers by name, for staff.
pub async fn tiers(ctx: &Domain, actor: &Actor) -> Result<Vec<tier::Model>> {
    access::require_staff(actor, StaffRight::Read)?;
    Ok(tier::Entity::find().order_by_asc(tier::Column::Name).all(&ctx.db).await?)
}

/// A tier by id, for staff and for members of a team in it.
pub async fn tier(ctx: &Domain, actor: &Actor, id: TierId) -> Result<Option<tier::Model>> {
    let Some(viewer) = actor.user_id() else { return Ok(None) };
    let own = membership::Entity::for_user(viewer).select_only().column(membership::Column::TeamId);
    let in_it = team::Entity::find().filter(team::Column::TierId.eq(id)).filter(team::Column::Id.in_subquery(own.into_query()));
    if access::require_staff(actor, StaffRight::Read).is_err() && in_it.count(&ctx.db).await? == 0 {
        return Ok(None);
    }
    Ok(tier::Entity::find_by_id(id).one(&ctx.db).await?)
}
