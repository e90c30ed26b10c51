//! Relay connections over `domain::read::page`.

use async_graphql::SimpleObject;

/// Where a page stands in its list.
#[derive(SimpleObject, Debug, Clone)]
pub struct PageInfo {
    pub has_next_page: bool,
    pub has_previous_page: bool,
    pub start_cursor: Option<String>,
    pub end_cursor: Option<String>,
}

/// What has a cursor: its id.
pub trait HasCursor {
    fn cursor(&self) -> String;
}

/// `connection! { TeamConnection TeamEdge Team }`: the two types of a connection over a node with a cursor.
#[macro_export]
macro_rules! connection {
    ($($connection:ident $edge:ident $node:ty)*) => {$(
        pub struct $connection(pub domain::read::page::Page<$node>);

        pub struct $edge<'a>(&'a $node);

        #[async_graphql::Object]
        impl $connection {
            async fn edges(&self) -> Vec<$edge<'_>> {
                self.0.rows.iter().map($edge).collect()
            }
            async fn nodes(&self) -> Vec<&$node> {
                self.0.rows.iter().collect()
            }
            async fn page_info(&self) -> $crate::graphql::connection::PageInfo {
                use $crate::graphql::connection::HasCursor;
                $crate::graphql::connection::PageInfo {
                    has_next_page: self.0.has_next_page,
                    has_previous_page: self.0.has_previous_page,
                    start_cursor: self.0.rows.first().map(HasCursor::cursor),
                    end_cursor: self.0.rows.last().map(HasCursor::cursor),
                }
            }
            /// Of the whole list; counted only when selected.
            async fn total_count(&self) -> Option<i32> {
                self.0.total.and_then(|total| i32::try_from(total).ok())
            }
        }

        #[async_graphql::Object]
        impl $edge<'_> {
            async fn node(&self) -> &$node {
                self.0
            }
            async fn cursor(&self) -> String {
                $crate::graphql::connection::HasCursor::cursor(self.0)
            }
        }
    )*};
}
