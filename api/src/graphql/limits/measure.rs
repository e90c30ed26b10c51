//! How much a document asks for, with each fragment measured once.

use std::collections::HashMap;

use async_graphql::{
    Positioned, Value, Variables,
    parser::types::{Directive, ExecutableDocument, Field, Selection, SelectionSet},
};

use super::{MAX_COST, MAX_DEPTH, MAX_DIRECTIVES, MAX_INTROSPECTION_DEPTH, MAX_LEVELS, MAX_ROOTS, MAX_SELECTIONS, Refusal};
use crate::graphql::shape::{FieldShape, INTROSPECTION_ROOTS, Shape};

/// What is read, walked or computed for one value of a field, as so many plain fields. Others count as one.
pub const PRICES: [(&str, &str, u64); 12] = [
    ("Endpoint", "operation", 200),
    ("Endpoint", "callable", 50),
    ("SpecVersion", "changes", 200),
    ("SpecVersion", "breaking", 20),
    ("Pipeline", "evidence", 100),
    ("Submission", "evidence", 100),
    ("Profile", "sampleRequest", 10),
    ("IssuedSecret", "sampleRequest", 10),
    ("Query", "decision", 100),
    ("Provider", "explainAccess", 100),
    ("Provider", "accessOn", 1_000),
    ("Provider", "auditVerification", 20_000),
];

fn price(parent: &str, field: &str) -> u64 {
    PRICES.iter().find(|(ty, name, _)| *ty == parent && *name == field).map_or(1, |(_, _, price)| *price)
}

/// A list without page sizes is taken to have this many entries.
const PLAIN_LIST: u64 = 10;

/// Of a selection set, with its fragments spread out. All sums saturate.
#[derive(Debug, Clone, Copy, Default)]
pub struct Size {
    pub selections: u64,
    /// Fields inside each other, introspection apart.
    pub depth: usize,
    pub introspection_depth: usize,
    /// Fields and fragments inside each other.
    levels: usize,
    /// Fields on its own level.
    pub fields: usize,
    pub cost: u64,
    pub introspection_cost: u64,
    pub introspects: bool,
}

impl Size {
    fn add(&mut self, other: Self) {
        self.selections = self.selections.saturating_add(other.selections);
        self.cost = self.cost.saturating_add(other.cost);
        self.introspection_cost = self.introspection_cost.saturating_add(other.introspection_cost);
        self.fields = self.fields.saturating_add(other.fields);
        self.depth = self.depth.max(other.depth);
        self.introspection_depth = self.introspection_depth.max(other.introspection_depth);
        self.levels = self.levels.max(other.levels);
        self.introspects |= other.introspects;
    }
}

enum Fragment {
    /// Its spreads are being measured: another spread of it is a cycle.
    Open,
    Measured(Size),
}

struct Measure<'a> {
    document: &'a ExecutableDocument,
    shape: &'a Shape,
    variables: &'a Variables,
    fragments: HashMap<&'a str, Fragment>,
}

/// The sum over all operations; refuses what passes a limit.
pub fn document(document: &ExecutableDocument, shape: &Shape, variables: &Variables) -> Result<Size, Refusal> {
    let mut measure = Measure { document, shape, variables, fragments: HashMap::new() };
    let mut all = Size::default();
    for (_, operation) in document.operations.iter() {
        directives(&operation.node.directives)?;
        for variable in &operation.node.variable_definitions {
            directives(&variable.node.directives)?;
        }
        let root = shape.root(operation.node.ty);
        let size = measure.set(root, &operation.node.selection_set.node, 0)?;
        within(&size).map_err(|refusal| refusal.at(operation.pos))?;
        all.add(size);
    }
    for name in document.fragments.keys() {
        let size = measure.fragment(name, 0)?;
        if size.is_some_and(|size| size.selections > MAX_SELECTIONS) {
            return Err(too_many_selections());
        }
    }
    if all.selections > MAX_SELECTIONS {
        return Err(too_many_selections());
    }
    Ok(all)
}

fn too_many_selections() -> Refusal {
    let message = format!("with its fragments spread out the document has more than {MAX_SELECTIONS} selections");
    Refusal::over("selections", MAX_SELECTIONS, message)
}

fn within(size: &Size) -> Result<(), Refusal> {
    let over = |limit, max: usize, message: String| Err(Refusal::over(limit, max as u64, message));
    if size.selections > MAX_SELECTIONS {
        return Err(too_many_selections());
    }
    if size.depth > MAX_DEPTH {
        return over("depth", MAX_DEPTH, format!("{} fields inside each other, at most {MAX_DEPTH} are taken", size.depth));
    }
    if size.introspection_depth > MAX_INTROSPECTION_DEPTH {
        let message = format!("more than {MAX_INTROSPECTION_DEPTH} fields inside each other");
        return over("depth", MAX_INTROSPECTION_DEPTH, message);
    }
    if size.fields > MAX_ROOTS {
        return over("roots", MAX_ROOTS, format!("{} fields at the root, at most {MAX_ROOTS} are taken", size.fields));
    }
    if size.cost > MAX_COST {
        let message = format!(
            "the answer could count as {} fields, at most {MAX_COST} are taken: ask for smaller pages (first, last) or fewer fields",
            size.cost
        );
        return Err(Refusal::over("cost", MAX_COST, message));
    }
    Ok(())
}

fn directives(directives: &[Positioned<Directive>]) -> Result<(), Refusal> {
    if let Some(first) = directives.first().filter(|_| directives.len() > MAX_DIRECTIVES) {
        let message = format!("more than {MAX_DIRECTIVES} directives in one place");
        return Err(Refusal::over("directives", MAX_DIRECTIVES as u64, message).at(first.pos));
    }
    Ok(())
}

impl<'a> Measure<'a> {
    /// `parent` is `None` where validation will find that the field above does not exist.
    fn set(&mut self, parent: Option<&'a str>, set: &'a SelectionSet, level: usize) -> Result<Size, Refusal> {
        refuse_levels(level)?;
        let mut all = Size::default();
        for selection in &set.items {
            directives(selection.node.directives())?;
            let mut size = match &selection.node {
                Selection::Field(field) => self.field(parent, &field.node, level)?,
                Selection::InlineFragment(inline) => {
                    let on = inline.node.type_condition.as_ref().map(|condition| condition.node.on.node.as_str());
                    let mut size = self.set(on.or(parent), &inline.node.selection_set.node, level + 1)?;
                    size.levels += 1;
                    size
                }
                Selection::FragmentSpread(spread) => {
                    let size = self.fragment(&spread.node.fragment_name.node, level + 1)?;
                    let mut size = size.unwrap_or_default();
                    size.levels += 1;
                    size
                }
            };
            size.selections = size.selections.saturating_add(1);
            all.add(size);
        }
        Ok(all)
    }

    fn field(&mut self, parent: Option<&'a str>, field: &'a Field, level: usize) -> Result<Size, Refusal> {
        let shape = parent.and_then(|parent| self.shape.field(parent, &field.name.node));
        let below = shape.map(|shape| shape.type_name());
        let inner = if field.selection_set.node.items.is_empty() {
            Size::default()
        } else {
            self.set(below, &field.selection_set.node, level + 1)?
        };
        let entries = shape.map_or(1, |shape| self.entries(parent, field, shape));
        let own = parent.map_or(1, |parent| price(parent, &field.name.node));
        let cost = inner.cost.saturating_mul(entries).saturating_add(own);
        let size =
            Size { selections: inner.selections, depth: inner.depth + 1, levels: inner.levels + 1, fields: 1, cost, ..inner };
        if INTROSPECTION_ROOTS.contains(&field.name.node.as_str()) {
            return Ok(Size {
                depth: 1,
                introspection_depth: size.depth,
                introspection_cost: cost,
                cost: 1,
                introspects: true,
                ..size
            });
        }
        Ok(size)
    }

    /// How many objects a field may answer with.
    fn entries(&self, parent: Option<&str>, field: &Field, shape: &FieldShape) -> u64 {
        if let Some(default) = shape.page_size {
            let asked = ["first", "last"].iter().filter_map(|name| self.argument(field, name)).max();
            return asked.unwrap_or(default).clamp(1, domain::read::page::MAX_PAGE);
        }
        match parent {
            _ if !shape.is_list() => 1,
            Some("__Schema") if field.name.node == "types" => self.shape.type_count(),
            // The connection's own field has counted the rows already.
            Some(parent) if self.shape.is_connection(parent) => 1,
            _ => PLAIN_LIST,
        }
    }

    fn argument(&self, field: &Field, name: &str) -> Option<u64> {
        let value = field.get_argument(name)?.node.clone();
        match value.into_const_with(|name| self.variables.get(&name).cloned().ok_or(())) {
            Ok(Value::Number(number)) => number.as_u64(),
            _ => None,
        }
    }

    /// `None`: there is no fragment of this name; validation says so.
    fn fragment(&mut self, name: &str, level: usize) -> Result<Option<Size>, Refusal> {
        let Some((name, fragment)) = self.document.fragments.get_key_value(name) else { return Ok(None) };
        match self.fragments.get(name.as_str()) {
            Some(Fragment::Open) => Err(Refusal::new(format!("the fragment {name} spreads itself")).at(fragment.pos)),
            Some(Fragment::Measured(size)) => {
                // The fields that end it are no level of their own.
                refuse_levels(level + size.levels.saturating_sub(1))?;
                Ok(Some(*size))
            }
            None => {
                directives(&fragment.node.directives)?;
                self.fragments.insert(name, Fragment::Open);
                let on = fragment.node.type_condition.node.on.node.as_str();
                let size = self.set(Some(on), &fragment.node.selection_set.node, level)?;
                self.fragments.insert(name, Fragment::Measured(size));
                Ok(Some(size))
            }
        }
    }
}

fn refuse_levels(level: usize) -> Result<(), Refusal> {
    if level > MAX_LEVELS {
        let message = format!("more than {MAX_LEVELS} fields and fragments inside each other");
        return Err(Refusal::over("levels", MAX_LEVELS as u64, message));
    }
    Ok(())
}

/// The fields of a measured operation's own level, fragments spread out.
pub fn root_fields<'a>(document: &'a ExecutableDocument, set: &'a SelectionSet) -> Vec<&'a Positioned<Field>> {
    let mut fields = Vec::new();
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => fields.push(field),
            Selection::InlineFragment(inline) => fields.extend(root_fields(document, &inline.node.selection_set.node)),
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = document.fragments.get(&spread.node.fragment_name.node) {
                    fields.extend(root_fields(document, &fragment.node.selection_set.node));
                }
            }
        }
    }
    fields
}
