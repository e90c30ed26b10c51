//! The schema that is served, as far as calls are made from it: what there is to call, and everything an answer can hold.

use std::collections::BTreeMap;

use async_graphql::parser::{
    parse_schema,
    types::{
        BaseType, FieldDefinition, InputValueDefinition, OperationType, Type, TypeDefinition, TypeKind, TypeSystemDefinition,
    },
};

use super::values;

/// Rows of a page that are looked at.
const PAGE: usize = 5;

pub struct Sdl {
    types: BTreeMap<String, TypeDefinition>,
    roots: BTreeMap<&'static str, String>,
}

/// The type without its lists and non-nulls.
pub fn name_of(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(inner) => name_of(inner),
    }
}

fn takes_id(field: &FieldDefinition) -> bool {
    let needed = field.arguments.iter().map(|argument| &argument.node).filter(|argument| !argument.ty.node.nullable);
    needed.into_iter().any(|argument| name_of(&argument.ty.node) == "ID")
}

impl Sdl {
    pub fn served() -> Self {
        let mut sdl = Self { types: BTreeMap::new(), roots: BTreeMap::new() };
        for definition in parse_schema(api::graphql::sdl()).expect("a schema").definitions {
            match definition {
                TypeSystemDefinition::Schema(schema) => {
                    let schema = schema.node;
                    let roots = [("query", schema.query), ("mutation", schema.mutation), ("subscription", schema.subscription)];
                    sdl.roots.extend(roots.into_iter().filter_map(|(kind, name)| Some((kind, name?.node.to_string()))));
                }
                TypeSystemDefinition::Type(ty) => {
                    sdl.types.insert(ty.node.name.node.to_string(), ty.node);
                }
                TypeSystemDefinition::Directive(_) => {}
            }
        }
        sdl
    }

    /// What can be called, by the kind of operation.
    pub fn root(&self, kind: OperationType) -> (&str, Vec<&FieldDefinition>) {
        let name = self.roots[kind.to_string().as_str()].as_str();
        (name, self.fields(name))
    }

    /// Of an object or an interface; none of a scalar. Without those that have to be given an id, which `taking_ids` has.
    pub fn fields(&self, name: &str) -> Vec<&FieldDefinition> {
        let is_root = self.roots.values().any(|root| root == name);
        self.all_fields(name).into_iter().filter(|field| is_root || !takes_id(field)).collect()
    }

    /// What is not asked for with all else, as it has to be given an id: `Type.field`.
    pub fn taking_ids(&self) -> Vec<String> {
        let nested = self.types.keys().filter(|name| !self.roots.values().any(|root| root == *name));
        let of = |name: &String| {
            let taking = self.all_fields(name).into_iter().filter(|field| takes_id(field));
            taking.map(|field| format!("{name}.{}", field.name.node)).collect::<Vec<_>>()
        };
        nested.flat_map(of).collect()
    }

    fn all_fields(&self, name: &str) -> Vec<&FieldDefinition> {
        match self.types.get(name).map(|ty| &ty.kind) {
            Some(TypeKind::Object(object)) => object.fields.iter().map(|field| &field.node).collect(),
            Some(TypeKind::Interface(interface)) => interface.fields.iter().map(|field| &field.node).collect(),
            Some(TypeKind::Union(_)) => panic!("{name} is a union: teach `Sdl::fields` what to ask of one"),
            _ => Vec::new(),
        }
    }

    /// Of an input object.
    pub fn inputs(&self, name: &str) -> Option<Vec<&InputValueDefinition>> {
        match &self.types.get(name)?.kind {
            TypeKind::InputObject(input) => Some(input.fields.iter().map(|field| &field.node).collect()),
            _ => None,
        }
    }

    pub fn enum_values(&self, name: &str) -> Option<Vec<&str>> {
        match &self.types.get(name)?.kind {
            TypeKind::Enum(values) => Some(values.values.iter().map(|value| value.node.value.node.as_str()).collect()),
            _ => None,
        }
    }

    /// The types that have an id of their own.
    pub fn nodes(&self) -> Vec<&str> {
        self.types.keys().map(String::as_str).filter(|name| *name != "Node" && self.is_node(name)).collect()
    }

    pub fn is_node(&self, name: &str) -> bool {
        let implements = match self.types.get(name).map(|ty| &ty.kind) {
            Some(TypeKind::Object(object)) => &object.implements,
            _ => return name == "Node",
        };
        implements.iter().any(|interface| interface.node == "Node")
    }

    pub fn is_composite(&self, name: &str) -> bool {
        !self.fields(name).is_empty()
    }

    /// Everything that can be asked of a type, so many objects deep.
    pub fn selection(&self, name: &str, levels: usize) -> String {
        if name == "Node" {
            return "__typename id".to_owned();
        }
        let fields = self.fields(name).into_iter().map(|field| self.select(name, field, levels, None));
        let fields = fields.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ");
        if fields.is_empty() { "__typename".to_owned() } else { fields }
    }

    /// One field of a type with what is below it up to the next thing that has an id.
    pub fn lean(&self, owner: &str, field: &FieldDefinition) -> String {
        let (name, ty) = (field.name.node.as_str(), name_of(&field.ty.node));
        let arguments = self.literals(owner, field, None);
        let below = |ty: &str| match ty {
            _ if self.is_node(ty) => "id".to_owned(),
            _ => self.fields(ty).into_iter().map(|field| self.lean(ty, field)).collect::<Vec<_>>().join(" "),
        };
        match self.page_of(ty) {
            Some(row) => format!("{name}{arguments} {{ nodes {{ {} }} }}", below(row)),
            None if self.is_composite(ty) => format!("{name}{arguments} {{ {} }}", below(ty)),
            None => format!("{name}{arguments}"),
        }
    }

    /// Of a connection: the type of its rows.
    pub fn page_of(&self, name: &str) -> Option<&str> {
        let fields = self.fields(name).into_iter().filter(|_| name.ends_with("Connection"));
        fields.into_iter().find(|field| field.name.node == "nodes").map(|field| name_of(&field.ty.node))
    }

    /// The fields of a type, and those of the parts of it that have no id of their own, as paths.
    pub fn paths(&self, name: &str) -> Vec<Vec<&str>> {
        let mut found = Vec::new();
        for field in self.fields(name) {
            let (key, ty) = (field.name.node.as_str(), name_of(&field.ty.node));
            found.push(vec![key]);
            if !self.is_node(ty) && self.page_of(ty).is_none() {
                found.extend(self.paths(ty).into_iter().map(|path| [&[key], &path[..]].concat()));
            }
        }
        found
    }

    /// One field of a type with everything below it; nothing where the depth is used up.
    /// `more`: an argument that it is given beside those it needs.
    pub fn select(&self, owner: &str, field: &FieldDefinition, levels: usize, more: Option<&str>) -> String {
        let (name, ty) = (field.name.node.as_str(), name_of(&field.ty.node));
        let arguments = self.literals(owner, field, more);
        if !self.is_composite(ty) {
            return format!("{name}{arguments}");
        }
        let below = match levels {
            0 if self.is_node(ty) => "id".to_owned(),
            0 => return String::new(),
            _ => match self.page_of(ty) {
                Some(row) => {
                    let counted = self.fields(ty).iter().any(|field| field.name.node == "totalCount");
                    format!("{}nodes {{ {} }}", if counted { "totalCount " } else { "" }, self.selection(row, levels - 1))
                }
                None => self.selection(ty, levels - 1),
            },
        };
        format!("{name}{arguments} {{ {below} }}")
    }

    /// What a nested field has to be given, written out; a page is short.
    fn literals(&self, owner: &str, field: &FieldDefinition, more: Option<&str>) -> String {
        let mut given: Vec<_> = more.map(str::to_owned).into_iter().collect();
        for argument in field.arguments.iter().map(|argument| &argument.node) {
            let name = argument.name.node.as_str();
            if name == "first" {
                given.push(format!("first: {PAGE}"));
            } else if !argument.ty.node.nullable && argument.default_value.is_none() {
                let place = format!("{owner}.{}.{name}", field.name.node);
                let value = values::plain(&place, name, name_of(&argument.ty.node)).unwrap_or_else(|| values::missing(&place));
                given.push(format!("{name}: {value}"));
            }
        }
        if given.is_empty() { String::new() } else { format!("({})", given.join(", ")) }
    }
}
