//! HTTP methods as a set that fits into two bytes.

use std::fmt;

macro_rules! methods {
    ($($name:ident $text:literal)*) => {
        /// A method that an OpenAPI document can define.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Method { $($name),* }

        impl Method {
            pub const ALL: &[Self] = &[$(Self::$name),*];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// Case sensitive, as methods are (RFC 9110 section 9.1).
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$name),)* _ => None }
            }
        }
    };
}

methods! {
    Get "GET" Head "HEAD" Post "POST" Put "PUT" Patch "PATCH" Delete "DELETE" Options "OPTIONS" Trace "TRACE" Query "QUERY"
    Connect "CONNECT"
}

/// A set of methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Methods(u16);

/// Set in the sets that restrict, so that one whose methods are all unknown allows none instead of all.
const RESTRICTS: u16 = 1 << 15;

impl Methods {
    pub const NONE: Self = Self(0);

    pub fn insert(&mut self, method: Method) {
        self.0 |= 1 << method as u16;
    }

    /// What a list of allowed methods means: an empty one allows all. Case does not matter in what people type.
    pub fn allowed<S: AsRef<str>>(list: impl IntoIterator<Item = S>) -> Self {
        list.into_iter().fold(Self::NONE, |mut set, name| {
            set.0 |= RESTRICTS;
            if let Some(method) = Method::parse(&name.as_ref().to_ascii_uppercase()) {
                set.insert(method);
            }
            set
        })
    }

    pub fn contains(self, method: Method) -> bool {
        self.0 & 1 << method as u16 != 0
    }

    /// Whether, as an allow list, it lets the method through. Who may GET may HEAD: it is the same answer without its body.
    pub fn allows(self, method: Method) -> bool {
        self.0 & RESTRICTS == 0 || self.contains(method) || method == Method::Head && self.contains(Method::Get)
    }

    pub fn is_empty(self) -> bool {
        self.0 & !RESTRICTS == 0
    }

    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub fn iter(self) -> impl Iterator<Item = Method> {
        Method::ALL.iter().copied().filter(move |method| self.contains(*method))
    }
}

impl FromIterator<Method> for Methods {
    fn from_iter<I: IntoIterator<Item = Method>>(methods: I) -> Self {
        methods.into_iter().fold(Self::NONE, |mut set, method| {
            set.insert(method);
            set
        })
    }
}

/// As in an `Allow` header: `GET, POST`.
impl fmt::Display for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, method) in self.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            f.write_str(method.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_allows_all_and_one_of_unknown_methods_none() {
        let none: [&str; 0] = [];
        assert!(Methods::allowed(none).allows(Method::Delete));
        assert!(!Methods::allowed(["BREW"]).allows(Method::Get));
        let read = Methods::allowed(["get", "QUERY"]);
        assert!(read.allows(Method::Get) && read.allows(Method::Head) && !read.allows(Method::Post));
        assert_eq!(read.to_string(), "GET, QUERY");
        assert_eq!(Method::parse("get"), None);
    }
}
