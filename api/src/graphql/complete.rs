//! Completes what was executed into the answer that the GraphQL specification describes (section 6.4.3 and 6.4.4):
//! async-graphql leaves a field that failed out, and orders fields by when they were done.

use async_graphql::{
    Name, Positioned, Value, Variables,
    indexmap::IndexMap,
    parser::types::{
        BaseType, Directive, ExecutableDocument, Field, FragmentDefinition, OperationDefinition, OperationType, Selection,
        SelectionSet, Type,
    },
};

use crate::graphql::shape::Shape;

/// The answer key under which every object tells its type to the completion; no client can write a name with a space.
const TYPE_KEY: &str = " type";

/// What was asked for: an answer is completed against it.
pub struct Asked {
    operation: OperationDefinition,
    fragments: std::collections::HashMap<Name, Positioned<FragmentDefinition>>,
    variables: Variables,
}

/// Makes every object of the answer tell its type, and an object of which all fields failed tell that it was one.
pub fn mark(document: &mut ExecutableDocument) {
    match &mut document.operations {
        async_graphql::parser::types::DocumentOperations::Single(operation) => mark_operation(&mut operation.node),
        async_graphql::parser::types::DocumentOperations::Multiple(operations) => {
            operations.values_mut().for_each(|operation| mark_operation(&mut operation.node));
        }
    }
    for fragment in document.fragments.values_mut() {
        mark_fields(&mut fragment.node.selection_set.node);
    }
}

fn mark_operation(operation: &mut OperationDefinition) {
    mark_fields(&mut operation.selection_set.node);
    // A subscription has one field at its root, and not even `__typename` beside it.
    if operation.ty != OperationType::Subscription {
        add_type(&mut operation.selection_set.node);
    }
}

fn mark_fields(set: &mut SelectionSet) {
    for selection in &mut set.items {
        match &mut selection.node {
            Selection::Field(field) if !field.node.selection_set.node.items.is_empty() => {
                mark_fields(&mut field.node.selection_set.node);
                add_type(&mut field.node.selection_set.node);
            }
            Selection::InlineFragment(inline) => mark_fields(&mut inline.node.selection_set.node),
            Selection::Field(_) | Selection::FragmentSpread(_) => {}
        }
    }
}

fn add_type(set: &mut SelectionSet) {
    let here = |node| Positioned::new(node, async_graphql::Pos::default());
    let field = Field {
        alias: Some(here(Name::new(TYPE_KEY))),
        name: here(Name::new("__typename")),
        arguments: Vec::new(),
        directives: Vec::new(),
        selection_set: Positioned::default(),
    };
    let pos = async_graphql::Pos::default();
    set.items.push(Positioned::new(Selection::Field(Positioned::new(field, pos)), pos));
}

/// A value that is null where its type says that it cannot be: the null moves up.
struct NullMovesUp;

impl Asked {
    /// `document` before it was marked; the variables with their defaults.
    pub fn new(document: &ExecutableDocument, operation: &OperationDefinition, variables: Variables) -> Self {
        Self { operation: operation.clone(), fragments: document.fragments.clone(), variables }
    }

    /// The completed `data`; null where a null moved up to the root.
    pub fn complete(&self, shape: &Shape, data: Value) -> Value {
        let (Some(root), Value::Object(fields)) = (shape.root(self.operation.ty), data) else { return Value::Null };
        self.object(shape, root, &[&self.operation.selection_set.node], fields).unwrap_or(Value::Null)
    }

    /// `declared` is the field's type: the object's own is an implementation of it.
    fn object(
        &self,
        shape: &Shape,
        declared: &str,
        sets: &[&SelectionSet],
        mut fields: IndexMap<Name, Value>,
    ) -> Result<Value, NullMovesUp> {
        let own = match fields.swap_remove(TYPE_KEY) {
            Some(Value::String(own)) => own,
            _ => declared.to_owned(),
        };
        let mut collected = IndexMap::new();
        for set in sets {
            self.collect(shape, &own, set, &mut collected);
        }
        let mut done = IndexMap::with_capacity(collected.len());
        for (key, asked) in collected {
            let value = fields.swap_remove(key).unwrap_or_default();
            let name = &asked[0].name.node;
            let value = match shape.field(&own, name) {
                Some(field) => self.value(shape, &field.ty, &asked, value)?,
                None => value,
            };
            done.insert(key.clone(), value);
        }
        Ok(Value::Object(done))
    }

    fn value(&self, shape: &Shape, ty: &Type, asked: &[&Field], value: Value) -> Result<Value, NullMovesUp> {
        let completed = match (&ty.base, value) {
            (BaseType::List(inner), Value::List(entries)) => entries
                .into_iter()
                .map(|entry| self.value(shape, inner, asked, entry))
                .collect::<Result<_, _>>()
                .map_or(Value::Null, Value::List),
            (BaseType::Named(name), Value::Object(fields)) if shape.is_composite(name) => {
                let sets: Vec<_> = asked.iter().map(|field| &field.selection_set.node).collect();
                self.object(shape, name, &sets, fields).unwrap_or(Value::Null)
            }
            (_, leaf) => leaf,
        };
        if completed == Value::Null && !ty.nullable { Err(NullMovesUp) } else { Ok(completed) }
    }

    /// The fields of an object in the order in which they are asked for, by their answer keys (section 6.3.2).
    fn collect<'a>(&'a self, shape: &Shape, own: &str, set: &'a SelectionSet, into: &mut IndexMap<&'a Name, Vec<&'a Field>>) {
        for selection in &set.items {
            if self.skipped(selection.node.directives()) {
                continue;
            }
            let (condition, inner) = match &selection.node {
                Selection::Field(field) => {
                    into.entry(&field.node.response_key().node).or_default().push(&field.node);
                    continue;
                }
                Selection::InlineFragment(inline) => {
                    (inline.node.type_condition.as_ref().map(|condition| &condition.node.on.node), &inline.node.selection_set)
                }
                Selection::FragmentSpread(spread) => match self.fragments.get(&spread.node.fragment_name.node) {
                    Some(fragment) => (Some(&fragment.node.type_condition.node.on.node), &fragment.node.selection_set),
                    None => continue,
                },
            };
            if condition.is_none_or(|condition| shape.applies(own, condition)) {
                self.collect(shape, own, &inner.node, into);
            }
        }
    }

    fn skipped(&self, directives: &[Positioned<Directive>]) -> bool {
        directives.iter().any(|directive| {
            let skipped_when = match directive.node.name.node.as_str() {
                "skip" => true,
                "include" => false,
                _ => return false,
            };
            let given = directive
                .node
                .get_argument("if")
                .and_then(|value| value.node.clone().into_const_with(|name| self.variables.get(&name).cloned().ok_or(())).ok());
            given == Some(Value::Boolean(skipped_when))
        })
    }
}

#[cfg(test)]
mod tests;
