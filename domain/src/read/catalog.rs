//! The catalog as somebody may see it. This is the one place that turns the rule of visibility into SQL; a test holds the
//! two against each other.

use entities::{
    assignment, category, client,
    enums::{ProductStatus, SubscriptionStatus, TeamStatus, Visibility},
    id::{CategoryId, ProductId, TeamId, UserId},
    membership, product, product_category, subscription, team,
};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select,
    sea_query::{Expr, Func, LikeExpr, SelectStatement, SimpleExpr},
};

use super::{
    page::{self, Page, PageRequest},
    search,
};
use crate::{
    Actor, Domain, DomainError, Result,
    access::{require_somebody, require_staff},
    rules::{
        policy::StaffRight,
        visibility::{Onlooker, Reach, Verdict, verdict},
    },
};

/// Whose teams count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Teams {
    /// All in which this person is a member.
    Of(UserId),
    One(TeamId),
}

/// Subscriptions that have ended give nothing any more.
const ENDED: [SubscriptionStatus; 3] = [SubscriptionStatus::Cancelled, SubscriptionStatus::Expired, SubscriptionStatus::Rejected];

pub fn onlooker(actor: &Actor) -> Onlooker {
    if require_staff(actor, StaffRight::Read).is_ok() {
        return Onlooker::Staff;
    }
    match require_somebody(actor) {
        Ok(()) => Onlooker::SignedIn,
        Err(_) => Onlooker::Stranger,
    }
}

/// The teams through which an actor sees more than others; `None` for who is in none by nature.
pub fn teams(actor: &Actor) -> Option<Teams> {
    let seen_as = actor.seen_as_member_of().map(Teams::One);
    seen_as.or_else(|| actor.user_id().map(Teams::Of))
}

impl Teams {
    /// The rows whose column names one of them.
    pub(super) fn rows(self, column: impl ColumnTrait) -> SimpleExpr {
        match self {
            Self::One(team) => column.eq(team),
            Self::Of(user) => column
                .in_subquery(membership::Entity::for_user(user).select_only().column(membership::Column::TeamId).into_query()),
        }
    }
}

/// The products that an actor may see; every list, search, count and look-up of products starts here.
pub fn visible(actor: &Actor) -> Select<product::Entity> {
    let all = product::Entity::find();
    match scope(actor) {
        Some(scope) => all.filter(scope),
        None => all,
    }
}

/// `None`: all products.
fn scope(actor: &Actor) -> Option<Condition> {
    use product::Column as P;
    let shown = P::Status.is_in([ProductStatus::Published, ProductStatus::Deprecated]);
    let seen = match onlooker(actor) {
        Onlooker::Staff => return None,
        Onlooker::Stranger => Condition::any().add(P::Visibility.eq(Visibility::Public)),
        Onlooker::SignedIn => {
            let open = P::Visibility.is_in([Visibility::Public, Visibility::Members]);
            let ways = teams(actor).map(Ways::to);
            ways.into_iter().flat_map(Ways::all).fold(Condition::any().add(open), |any, way| any.add(P::Id.in_subquery(way)))
        }
    };
    Some(Condition::all().add(shown).add(seen))
}

/// The ids of the products that are assigned to teams, by each way.
struct Ways {
    tier: SelectStatement,
    team: SelectStatement,
    client: SelectStatement,
    subscription: SelectStatement,
}

impl Ways {
    fn to(teams: Teams) -> Self {
        use assignment::Column as A;
        let by_hand = |column: A, targets: SelectStatement| {
            let assigned = assignment::Entity::find().filter(A::SubscriptionId.is_null()).filter(column.in_subquery(targets));
            assigned.select_only().column(A::ProductId).into_query()
        };
        let active = |column: team::Column| {
            let active =
                team::Entity::find().filter(teams.rows(team::Column::Id)).filter(team::Column::Status.eq(TeamStatus::Active));
            active.filter(column.is_not_null()).select_only().column(column).into_query()
        };
        let ids = || active(team::Column::Id);
        let clients = client::Entity::find().filter(client::Column::TeamId.in_subquery(ids()));
        let held = subscription::Entity::find()
            .filter(subscription::Column::TeamId.in_subquery(ids()))
            .filter(subscription::Column::Status.is_not_in(ENDED));
        Self {
            tier: by_hand(A::TierId, active(team::Column::TierId)),
            team: by_hand(A::TeamId, ids()),
            client: by_hand(A::ClientId, clients.select_only().column(client::Column::Id).into_query()),
            subscription: held.select_only().column(subscription::Column::ProductId).into_query(),
        }
    }

    fn all(self) -> [SelectStatement; 4] {
        [self.tier, self.team, self.client, self.subscription]
    }
}

/// By which ways a product is assigned to these teams.
pub async fn reach(db: &impl ConnectionTrait, product: ProductId, teams: Teams) -> Result<Reach> {
    let [tier, team, client, subscription] = Ways::to(teams).all();
    let found = product::Entity::find_by_id(product)
        .select_only()
        .column_as(in_(tier), "tier")
        .column_as(in_(team), "team")
        .column_as(in_(client), "client")
        .column_as(in_(subscription), "subscription")
        .into_tuple::<(bool, bool, bool, bool)>()
        .one(db)
        .await?;
    let (tier, team, client, subscription) = found.unwrap_or_default();
    Ok(Reach { tier, team, client, subscription })
}

fn in_(ids: SelectStatement) -> SimpleExpr {
    product::Column::Id.in_subquery(ids)
}

/// Whether an actor may see a product that was read already.
pub async fn may_see(db: &impl ConnectionTrait, actor: &Actor, product: &product::Model) -> Result<bool> {
    match (verdict(product.status, product.visibility, onlooker(actor)), teams(actor)) {
        (Verdict::Seen, _) => Ok(true),
        (Verdict::IfReached, Some(teams)) => Ok(reach(db, product.id, teams).await?.any()),
        (Verdict::Hidden | Verdict::IfReached, _) => Ok(false),
    }
}

/// As `may_see`, for who sees the products that one client holds.
pub fn may_see_of(actor: &Actor, product: &product::Model, held: &[product::Model]) -> bool {
    match verdict(product.status, product.visibility, onlooker(actor)) {
        Verdict::Seen => true,
        Verdict::IfReached => held.iter().any(|of_client| of_client.id == product.id),
        Verdict::Hidden => false,
    }
}

/// Whether the members of a team may see a product.
pub async fn team_may_see(db: &impl ConnectionTrait, team: TeamId, product: &product::Model) -> Result<bool> {
    match verdict(product.status, product.visibility, Onlooker::SignedIn) {
        Verdict::Seen => Ok(true),
        Verdict::IfReached => Ok(reach(db, product.id, Teams::One(team)).await?.any()),
        Verdict::Hidden => Ok(false),
    }
}

/// Those of these that are there and to be seen.
pub async fn products_by_id(ctx: &Domain, actor: &Actor, ids: &[ProductId]) -> Result<Vec<product::Model>> {
    Ok(visible(actor).filter(product::Column::Id.is_in(ids.iter().copied())).all(&ctx.db).await?)
}

/// `None` for what is not there or not to be seen.
pub async fn product(ctx: &Domain, actor: &Actor, id: ProductId) -> Result<Option<product::Model>> {
    seen(ctx, actor, product::Entity::find_by_id(id)).await
}

/// `None` for what is not there or not to be seen.
pub async fn product_by_slug(ctx: &Domain, actor: &Actor, slug: &str) -> Result<Option<product::Model>> {
    seen(ctx, actor, product::Entity::find().filter(product::Column::Slug.eq(slug))).await
}

async fn seen(ctx: &Domain, actor: &Actor, one: Select<product::Entity>) -> Result<Option<product::Model>> {
    let Some(found) = one.one(&ctx.db).await? else { return Ok(None) };
    Ok(if may_see(&ctx.db, actor, &found).await? { Some(found) } else { None })
}

/// What a list of products is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Words, all of which are found in name, slug, summary, description or a category's name.
    pub search: Option<String>,
    /// A category's slug.
    pub category: Option<String>,
    pub status: Option<ProductStatus>,
}

/// Products by name.
pub async fn products(ctx: &Domain, actor: &Actor, filter: &Filter, request: &PageRequest) -> Result<Page<product::Model>> {
    use product::Column as P;
    let mut list = visible(actor);
    if let Some(status) = filter.status {
        list = list.filter(P::Status.eq(status));
    }
    if let Some(slug) = &filter.category {
        list = list.filter(P::Id.in_subquery(in_categories(category::Column::Slug.eq(slug.as_str()))));
    }
    for word in search::words(filter.search.as_deref()) {
        let like = || search::containing(&word);
        let in_text = [P::Name, P::Slug, P::Summary, P::Description].into_iter().fold(Condition::any(), |any, column| {
            // SQLite folds ASCII only: a word with other letters is found as it was written.
            any.add(folded(column, like()))
        });
        let in_category = P::Id.in_subquery(in_categories(folded(category::Column::Name, like())));
        list = list.filter(in_text.add(in_category));
    }
    page::by_name::<_, ProductId>(ctx, list, (P::Name, P::Id), request).await
}

/// For staff: the catalog as the members of this team see it, by name.
pub async fn products_as(ctx: &Domain, actor: &Actor, team: TeamId, request: &PageRequest) -> Result<Page<product::Model>> {
    require_staff(actor, StaffRight::Read)?;
    team::Entity::find_by_id(team).one(&ctx.db).await?.ok_or(DomainError::NotFound("team"))?;
    products(ctx, &Actor::member_of(team), &Filter::default(), request).await
}

fn folded(column: impl ColumnTrait, like: LikeExpr) -> SimpleExpr {
    Expr::expr(Func::lower(Expr::col(column.as_column_ref()))).like(like)
}

fn in_categories(which: SimpleExpr) -> SelectStatement {
    let ids = category::Entity::find().filter(which).select_only().column(category::Column::Id).into_query();
    product_category::Entity::find()
        .filter(product_category::Column::CategoryId.in_subquery(ids))
        .select_only()
        .column(product_category::Column::ProductId)
        .into_query()
}

/// The headings of the catalog by name: for staff all, for others those with something under them that they may see.
pub async fn categories(ctx: &Domain, actor: &Actor) -> Result<Vec<category::Model>> {
    let list = shown_categories(actor).order_by_asc(Func::lower(Expr::col(category::Column::Name.as_column_ref())));
    Ok(list.order_by_asc(category::Column::Id).all(&ctx.db).await?)
}

pub async fn category(ctx: &Domain, actor: &Actor, id: CategoryId) -> Result<Option<category::Model>> {
    Ok(shown_categories(actor).filter(category::Column::Id.eq(id)).one(&ctx.db).await?)
}

fn shown_categories(actor: &Actor) -> Select<category::Entity> {
    let all = category::Entity::find();
    if scope(actor).is_none() {
        return all;
    }
    let products = visible(actor).select_only().column(product::Column::Id).into_query();
    let used = product_category::Entity::find().filter(product_category::Column::ProductId.in_subquery(products));
    all.filter(category::Column::Id.in_subquery(used.select_only().column(product_category::Column::CategoryId).into_query()))
}
