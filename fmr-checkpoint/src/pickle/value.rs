//! The values that a pickle describes, held in one arena: aliases and cycles are plain indices.

use crate::error::Fault;
use crate::limits::Budget;
use crate::source::Span;

/// A vector that grows holds up to twice what is in it.
pub(super) const GROWTH: usize = 2;
/// What an allocator adds to a block of memory, at most.
pub(super) const BLOCK: usize = 32;

/// Index of a value in its [`Heap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Id(u32);

/// A Python value.
#[derive(Debug)]
pub(crate) enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// An integer beyond 64 bits; its value is of no use here.
    LargeInt,
    Float(f64),
    Str(Box<str>),
    Bytes(Span),
    Tuple(Box<[Id]>),
    List(Vec<Id>),
    Set(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A class or function, by its module and its name, which are texts.
    Global(Id, Id),
    Object(Box<Object>),
    /// A persistent id: a reference to something outside the pickle.
    Persistent(Id),
}

/// The result of calling a class or function that is not known here.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) callable: Id,
    pub(crate) arguments: Id,
    /// What `BUILD` set: usually the instance's `__dict__`.
    pub(crate) state: Option<Id>,
    /// Entries of a subclass of `dict`.
    pub(crate) items: Vec<(Id, Id)>,
    /// Elements of a subclass of `list` or `set`.
    pub(crate) elements: Vec<Id>,
}

/// All values of one pickle.
#[derive(Debug)]
pub(crate) struct Heap<'b> {
    values: Vec<Value>,
    budget: &'b Budget,
}

impl<'b> Heap<'b> {
    pub(crate) const NONE: Id = Id(0);
    pub(crate) const TRUE: Id = Id(1);
    pub(crate) const FALSE: Id = Id(2);
    pub(crate) const EMPTY_TUPLE: Id = Id(3);

    pub(crate) fn new(budget: &'b Budget) -> Self {
        let values = vec![Value::None, Value::Bool(true), Value::Bool(false), Value::Tuple(Box::default())];
        Self { values, budget }
    }

    /// Accounts for memory that values, the stack or the memo are about to take.
    pub(crate) fn spend(&self, bytes: usize) -> Result<(), Fault> {
        self.budget.memory(bytes)
    }

    pub(crate) fn add(&mut self, value: Value) -> Result<Id, Fault> {
        let extra = match &value {
            Value::Str(text) => BLOCK + text.len(),
            Value::Tuple(ids) => BLOCK + size_of::<Id>() * ids.len(),
            Value::List(ids) | Value::Set(ids) => GROWTH * size_of::<Id>() * ids.len(),
            Value::Dict(items) => GROWTH * size_of::<(Id, Id)>() * items.len(),
            Value::Object(_) => BLOCK + size_of::<Object>(),
            _ => 0,
        };
        self.spend(GROWTH * size_of::<Value>() + extra)?;
        let id = u32::try_from(self.values.len()).map_err(|_| Fault::corrupt("the pickle holds too many values"))?;
        self.values.push(value);
        Ok(Id(id))
    }

    pub(crate) fn get(&self, id: Id) -> &Value {
        // Ids come from `add` of the same heap only; the fallback is never met.
        self.values.get(id.0 as usize).unwrap_or(&Value::None)
    }

    pub(crate) fn get_mut(&mut self, id: Id) -> Option<&mut Value> {
        self.values.get_mut(id.0 as usize)
    }

    pub(crate) fn budget(&self) -> &'b Budget {
        self.budget
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Value> {
        self.values.iter()
    }

    pub(crate) fn str(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// Whether a value is a number, a truth value or a text.
    pub(crate) fn is_plain(&self, id: Id) -> bool {
        matches!(self.get(id), Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Str(_))
    }

    /// A non-negative integer.
    pub(crate) fn count(&self, id: Id) -> Option<u64> {
        match self.get(id) {
            Value::Int(n) => u64::try_from(*n).ok(),
            _ => None,
        }
    }

    /// The elements of a tuple or list.
    pub(crate) fn sequence(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Value::Tuple(ids) => Some(ids),
            Value::List(ids) => Some(ids),
            _ => None,
        }
    }

    /// The entries of a dict or of an instance of a subclass of dict.
    pub(crate) fn items(&self, id: Id) -> Option<&[(Id, Id)]> {
        match self.get(id) {
            Value::Dict(items) => Some(items),
            Value::Object(object) if !object.items.is_empty() => Some(&object.items),
            _ => None,
        }
    }

    /// Module and name of a class or function: a global of the pickle, or what dill writes in its place.
    pub(crate) fn global(&self, id: Id) -> Option<(&str, &str)> {
        match self.get(id) {
            Value::Global(module, name) => self.str(*module).zip(self.str(*name)),
            Value::Object(object) => self.attribute_of_module(object),
            _ => None,
        }
    }

    /// `_get_attr(_import_module("module"), "name")`, by which dill refers to functions of compiled modules.
    fn attribute_of_module(&self, object: &Object) -> Option<(&str, &str)> {
        let calls = |object: &Object, function: &str| match self.get(object.callable) {
            Value::Global(module, name) => {
                self.str(*module).is_some_and(|module| module.starts_with("dill.")) && self.str(*name) == Some(function)
            }
            _ => false,
        };
        let [of, name, ..] = self.sequence(object.arguments).filter(|_| calls(object, "_get_attr"))? else {
            return None;
        };
        let Value::Object(import) = self.get(*of) else {
            return None;
        };
        let [module, ..] = self.sequence(import.arguments).filter(|_| calls(import, "_import_module"))? else {
            return None;
        };
        self.str(*module).zip(self.str(*name))
    }

    /// An object with module and name of what was called, and the arguments.
    pub(crate) fn call(&self, id: Id) -> Option<(&Object, &str, &str, &[Id])> {
        let Value::Object(object) = self.get(id) else {
            return None;
        };
        let (module, name) = self.global(object.callable)?;
        Some((object, module, name, self.sequence(object.arguments)?))
    }

    /// The value of a dict's entry with this string key; the last one counts. All entries may have to be looked at.
    pub(crate) fn entry(&self, dict: Id, key: &str) -> Result<Option<Id>, Fault> {
        let Some(items) = self.items(dict) else {
            return Ok(None);
        };
        self.budget.steps(items.len())?;
        Ok(items.iter().rev().find(|(k, _)| self.str(*k) == Some(key)).map(|(_, v)| *v))
    }
}
