//! Lists the tensors and plain values of a pickled object under dotted keys.

use super::rebuild::Rebuilder;
use crate::checkpoint::{Listing, Scalar};
use crate::error::Fault;
use crate::limits::{self, Budget};
use crate::pickle::{Id, Object, Value};
use crate::tensor::TensorInfo;

/// Lists everything reachable from `root`, in the order of the file.
pub(crate) fn list(rebuilder: &Rebuilder<'_>, root: Id) -> Result<Listing, Fault> {
    let mut walk = Walk {
        rebuilder,
        listing: Listing::default(),
        path: String::new(),
        ancestors: Vec::new(),
        budget: rebuilder.heap.budget(),
        attributes: false,
    };
    walk.visit(root)?;
    Ok(walk.listing)
}

struct Walk<'w> {
    rebuilder: &'w Rebuilder<'w>,
    listing: Listing,
    path: String,
    /// The containers around the current value: an object inside itself is not followed again.
    ancestors: Vec<Id>,
    /// References to the same values multiply; the budget counts every one that is followed and ends that.
    budget: &'w Budget,
    /// Whether the current value is an attribute of a module: a short array of numpy's is then a size, not a weight.
    attributes: bool,
}

impl Walk<'_> {
    fn visit(&mut self, id: Id) -> Result<(), Fault> {
        self.budget.steps(1)?;
        let heap = self.rebuilder.heap;
        match heap.get(id) {
            Value::Bool(b) => self.scalar(Scalar::Bool(*b)),
            Value::Int(n) => self.scalar(Scalar::Int(*n)),
            Value::Float(x) => self.scalar(Scalar::Float(*x)),
            Value::Str(text) => {
                self.budget.memory(text.len())?;
                self.scalar(Scalar::Str(text.as_ref().into()))
            }
            Value::Tuple(ids) => self.inside(id, |walk| walk.elements(ids)),
            Value::List(ids) => self.inside(id, |walk| walk.elements(ids)),
            Value::Dict(items) => self.inside(id, |walk| walk.entries(items)),
            Value::Object(_)
                if self.attributes
                    && let Some(numbers) = self.rebuilder.numbers(id)? =>
            {
                for (index, number) in numbers.into_iter().enumerate() {
                    self.within(&index.to_string(), |walk| walk.scalar(number))?;
                }
                Ok(())
            }
            Value::Object(object) => match self.rebuilder.tensor(id)? {
                Some(view) => {
                    self.budget.memory(TensorInfo::cost(&self.path))?;
                    self.listing.tensors.push(TensorInfo::new(self.path.as_str().into(), view));
                    Ok(())
                }
                None => match self.rebuilder.number(id)? {
                    Some(number) => self.scalar(number),
                    None => self.inside(id, |walk| walk.object(id, object)),
                },
            },
            Value::None
            | Value::LargeInt
            | Value::Bytes(_)
            | Value::Set(_)
            | Value::Global(..)
            | Value::Persistent(_) => Ok(()),
        }
    }

    fn scalar(&mut self, value: Scalar) -> Result<(), Fault> {
        self.budget.memory(Listing::cost_of_plain(&self.path))?;
        self.listing.metadata.push((self.path.as_str().into(), value));
        Ok(())
    }

    /// Follows a container, unless it lies inside itself.
    fn inside(&mut self, id: Id, follow: impl FnOnce(&mut Self) -> Result<(), Fault>) -> Result<(), Fault> {
        if self.ancestors.contains(&id) {
            return Ok(());
        }
        if self.ancestors.len() == limits::DEPTH {
            return Err(Fault::corrupt(format!("values are nested deeper than {} levels", limits::DEPTH)));
        }
        self.ancestors.push(id);
        follow(self)?;
        self.ancestors.pop();
        Ok(())
    }

    /// Visits `id` under the path extended by `name`.
    fn named(&mut self, name: &str, id: Id) -> Result<(), Fault> {
        self.within(name, |walk| walk.visit(id))
    }

    /// Does something under the path extended by `name`.
    fn within(&mut self, name: &str, f: impl FnOnce(&mut Self) -> Result<(), Fault>) -> Result<(), Fault> {
        let parent = self.path.len();
        if parent + 1 + name.len() > limits::KEY_BYTES {
            return Err(Fault::corrupt("a key is absurdly long"));
        }
        self.budget.text(name.len())?;
        if parent > 0 {
            self.path.push('.');
        }
        self.path.push_str(name);
        f(self)?;
        self.path.truncate(parent);
        Ok(())
    }

    fn elements(&mut self, ids: &[Id]) -> Result<(), Fault> {
        let mut plain = 0;
        for (index, &id) in ids.iter().enumerate() {
            let is_plain = self.rebuilder.heap.is_plain(id);
            plain += usize::from(is_plain);
            if is_plain && plain > limits::PLAIN_ELEMENTS {
                self.budget.steps(1)?;
                continue;
            }
            self.named(&index.to_string(), id)?;
        }
        Ok(())
    }

    fn entries(&mut self, items: &[(Id, Id)]) -> Result<(), Fault> {
        let heap = self.rebuilder.heap;
        for &(key, value) in items {
            match heap.get(key) {
                Value::Str(text) => self.named(text, value)?,
                Value::Int(n) => self.named(&n.to_string(), value)?,
                Value::Float(x) => self.named(&x.to_string(), value)?,
                Value::Global(..) => {
                    let (module, name) = heap.global(key).unwrap_or_default();
                    self.budget.text(module.len() + name.len())?;
                    self.named(&format!("<{module}.{name}>"), value)?;
                }
                _ => self.named("<key>", value)?,
            }
        }
        Ok(())
    }

    fn object(&mut self, id: Id, object: &Object) -> Result<(), Fault> {
        if let Some((_, module, name, arguments)) = self.rebuilder.heap.call(id) {
            match (module, name, arguments) {
                ("collections", "OrderedDict", arguments) => {
                    // Its state is the `_metadata` of a state dict: version numbers of modules.
                    if let [pairs] = arguments {
                        self.ordered_pairs(*pairs)?;
                    }
                    return self.entries(&object.items);
                }
                (_, "_reconstruct_persistent_obj", [description]) => {
                    return self.persistent(*description);
                }
                // Functions, bound methods and code objects: nothing below them is a weight.
                (module, _, _) if module.starts_with("dill.") => return Ok(()),
                _ => {}
            }
        }
        self.entries(&object.items)?;
        self.elements(&object.elements)?;
        match object.state {
            Some(state) => self.state(state),
            None => Ok(()),
        }
    }

    /// An `OrderedDict` made from a list of pairs, as Python 2 pickles it.
    fn ordered_pairs(&mut self, pairs: Id) -> Result<(), Fault> {
        let heap = self.rebuilder.heap;
        let pairs = heap.sequence(pairs).unwrap_or_default();
        // What is no pair is passed over, and is work all the same.
        self.budget.steps(pairs.len())?;
        for &pair in pairs {
            if let Some(&[key, value]) = heap.sequence(pair) {
                self.entries(&[(key, value)])?;
            }
        }
        Ok(())
    }

    /// An object of StyleGAN's `torch_utils.persistence`: a dict with the class's name, its source and the state.
    fn persistent(&mut self, description: Id) -> Result<(), Fault> {
        let heap = self.rebuilder.heap;
        if let Some(class) = heap.entry(description, "class_name")? {
            self.named("__class__", class)?;
        }
        match heap.entry(description, "state")? {
            Some(state) => self.state(state),
            None => Ok(()),
        }
    }

    /// The `__dict__` of an instance; the tables of a `torch.nn.Module` give no level of their own.
    fn state(&mut self, state: Id) -> Result<(), Fault> {
        self.budget.steps(1)?;
        let heap = self.rebuilder.heap;
        // With __slots__, the state is a pair of two dicts.
        if let Value::Tuple(parts) = heap.get(state)
            && let [first, second] = parts[..]
        {
            return self.inside(state, |walk| {
                walk.state(first)?;
                walk.state(second)
            });
        }
        let Some(items) = heap.items(state) else {
            return Ok(());
        };
        if heap.entry(state, "_modules")?.is_none() {
            return self.inside(state, |walk| walk.entries(items));
        }
        for table in ["_parameters", "_buffers", "_modules"] {
            let table = heap.entry(state, table)?;
            if let Some(entries) = table.and_then(|table| heap.items(table)) {
                self.entries(entries)?;
            }
        }
        self.budget.steps(items.len())?;
        let attributes = items.iter().filter(|(key, _)| {
            heap.str(*key).is_some_and(|name| !name.starts_with('_') || matches!(name, "_init_args" | "_init_kwargs"))
        });
        let attributes: Vec<_> = attributes.copied().collect();
        let outside = std::mem::replace(&mut self.attributes, true);
        let walked = self.entries(&attributes);
        self.attributes = outside;
        walked
    }
}
