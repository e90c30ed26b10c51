//! The schema's types as far as limits and completion need them, read once from the SDL that is served.

use std::collections::{HashMap, HashSet};

use async_graphql::parser::{
    parse_schema,
    types::{BaseType, FieldDefinition, OperationType, Type, TypeKind, TypeSystemDefinition},
};
use domain::read::page::DEFAULT_PAGE;

/// The types that every schema has and no SDL shows (GraphQL specification, section 4.2).
const INTROSPECTION: &str = include_str!("introspection_types.graphql");

/// The fields that tell of the schema itself; no SDL shows them.
pub const INTROSPECTION_ROOTS: [&str; 2] = ["__schema", "__type"];

pub struct Shape {
    types: HashMap<String, Composite>,
    roots: [Option<String>; 3],
    type_count: u64,
}

/// An object, interface or union.
#[derive(Default)]
struct Composite {
    fields: HashMap<String, FieldShape>,
    /// Itself, its interfaces and the unions that it is in: what a fragment on it may be conditioned on.
    conditions: HashSet<String>,
    connection: bool,
}

pub struct FieldShape {
    pub ty: Type,
    /// Of a field with pages, where neither `first` nor `last` is given.
    pub page_size: Option<u64>,
}

impl FieldShape {
    /// The type without its lists and non-nulls.
    pub fn type_name(&self) -> &str {
        named(&self.ty)
    }

    pub fn is_list(&self) -> bool {
        matches!(self.ty.base, BaseType::List(_))
    }
}

fn named(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(inner) => named(inner),
    }
}

impl Shape {
    /// # Panics
    /// When `sdl` is not a schema: it comes from the schema itself, and each start reads it.
    #[expect(clippy::expect_used, reason = "the schema's own SDL, read by every test and every start")]
    pub fn of(sdl: &str) -> Self {
        let mut shape = Self { types: HashMap::new(), roots: Default::default(), type_count: 0 };
        for text in [sdl, INTROSPECTION] {
            for definition in parse_schema(text).expect("a schema in SDL").definitions {
                shape.define(definition);
            }
        }
        shape
    }

    fn define(&mut self, definition: TypeSystemDefinition) {
        match definition {
            TypeSystemDefinition::Schema(schema) => {
                let schema = schema.node;
                self.roots =
                    [schema.query, schema.mutation, schema.subscription].map(|name| name.map(|name| name.node.to_string()));
            }
            TypeSystemDefinition::Type(ty) => {
                self.type_count += 1;
                let name = ty.node.name.node.to_string();
                match ty.node.kind {
                    TypeKind::Object(object) => {
                        let composite = self.composite(name);
                        composite.conditions.extend(object.implements.into_iter().map(|name| name.node.to_string()));
                        composite.add_fields(object.fields.into_iter().map(|field| field.node));
                    }
                    TypeKind::Interface(interface) => {
                        self.composite(name).add_fields(interface.fields.into_iter().map(|field| field.node));
                    }
                    TypeKind::Union(union) => {
                        for member in union.members {
                            self.composite(member.node.to_string()).conditions.insert(name.clone());
                        }
                        self.composite(name);
                    }
                    TypeKind::Scalar | TypeKind::Enum(_) | TypeKind::InputObject(_) => {}
                }
            }
            TypeSystemDefinition::Directive(_) => {}
        }
    }

    fn composite(&mut self, name: String) -> &mut Composite {
        let composite = self.types.entry(name.clone()).or_default();
        composite.conditions.insert(name);
        composite
    }

    pub fn root(&self, operation: OperationType) -> Option<&str> {
        let [query, mutation, subscription] = &self.roots;
        match operation {
            OperationType::Query => query.as_deref(),
            OperationType::Mutation => mutation.as_deref(),
            OperationType::Subscription => subscription.as_deref(),
        }
    }

    pub fn field(&self, parent: &str, field: &str) -> Option<&FieldShape> {
        self.types.get(parent)?.fields.get(field).or_else(|| {
            let at_root = self.roots[0].as_deref() == Some(parent);
            if at_root && INTROSPECTION_ROOTS.contains(&field) {
                self.types.get("Introspection")?.fields.get(field)
            } else {
                None
            }
        })
    }

    /// Whether values of this type are objects with fields of the schema.
    pub fn is_composite(&self, name: &str) -> bool {
        self.types.contains_key(name)
    }

    pub fn is_connection(&self, name: &str) -> bool {
        self.types.get(name).is_some_and(|ty| ty.connection)
    }

    /// Whether a fragment on `condition` takes part in an object of this type.
    pub fn applies(&self, object: &str, condition: &str) -> bool {
        self.types.get(object).is_some_and(|ty| ty.conditions.contains(condition))
    }

    pub fn type_count(&self) -> u64 {
        self.type_count
    }
}

impl Composite {
    fn add_fields(&mut self, fields: impl Iterator<Item = FieldDefinition>) {
        for field in fields {
            self.connection |= field.name.node == "pageInfo";
            let paged = field.arguments.iter().any(|argument| argument.node.name.node == "first");
            let shape = FieldShape { ty: field.ty.node, page_size: paged.then_some(DEFAULT_PAGE) };
            self.fields.insert(field.name.node.to_string(), shape);
        }
    }
}
