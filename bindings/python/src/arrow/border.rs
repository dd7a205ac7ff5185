//! Arrow's structures in C. This is a border like that of plugins: what is unsafe in the package is here.
//!
//! Who owns what: a structure owns what its `private_data` points to, and its `release` frees it, once. Buffers belong to
//! the table, which every array keeps alive.

use std::ffi::{c_char, c_int, c_void};
use std::ptr::{null, null_mut};
use std::sync::Arc;

use super::{Column, Columns};

/// A consumer accepts absent values.
const NULLABLE: i64 = 2;

#[repr(C)]
pub(super) struct Schema {
    format: *const c_char,
    name: *const c_char,
    metadata: *const c_char,
    flags: i64,
    n_children: i64,
    children: *mut *mut Schema,
    dictionary: *mut Schema,
    release: Option<unsafe extern "C" fn(*mut Schema)>,
    private_data: *mut c_void,
}

#[repr(C)]
pub(super) struct Array {
    length: i64,
    null_count: i64,
    offset: i64,
    n_buffers: i64,
    n_children: i64,
    buffers: *mut *const c_void,
    children: *mut *mut Array,
    dictionary: *mut Array,
    release: Option<unsafe extern "C" fn(*mut Array)>,
    private_data: *mut c_void,
}

#[repr(C)]
pub(super) struct Stream {
    get_schema: Option<unsafe extern "C" fn(*mut Stream, *mut Schema) -> c_int>,
    get_next: Option<unsafe extern "C" fn(*mut Stream, *mut Array) -> c_int>,
    get_last_error: Option<unsafe extern "C" fn(*mut Stream) -> *const c_char>,
    release: Option<unsafe extern "C" fn(*mut Stream)>,
    private_data: *mut c_void,
}

// SAFETY: a stream holds an `Arc` of plain data, and Arrow demands that a consumer calls it from one thread at a time.
unsafe impl Send for Stream {}

/// What a structure keeps alive: the table, its buffers' addresses, and the boxes of its children.
struct Held<T> {
    _table: Arc<Columns>,
    buffers: Vec<*const c_void>,
    children: Vec<*mut T>,
}

/// The table of a stream, until its only batch is taken.
struct Source {
    table: Arc<Columns>,
    taken: bool,
}

/// A length as Arrow counts.
fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

impl Stream {
    /// A stream of one batch.
    pub(super) fn of(table: Arc<Columns>) -> Self {
        Self {
            get_schema: Some(get_schema),
            get_next: Some(get_next),
            get_last_error: Some(get_last_error),
            release: Some(release_stream),
            private_data: Box::into_raw(Box::new(Source { table, taken: false })).cast(),
        }
    }
}

/// A capsule that nobody took drops its stream.
impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(release) = self.release {
            // SAFETY: it has not been released, which `release` being there says.
            unsafe { release(self) };
        }
    }
}

unsafe extern "C" fn release_stream(stream: *mut Stream) {
    // SAFETY: Arrow gives a stream that was made by `Stream::of` and has not been released.
    unsafe {
        drop(Box::from_raw((*stream).private_data.cast::<Source>()));
        (*stream).private_data = null_mut();
        (*stream).release = None;
    }
}

unsafe extern "C" fn get_last_error(_: *mut Stream) -> *const c_char {
    // No call fails.
    null()
}

unsafe extern "C" fn get_schema(stream: *mut Stream, out: *mut Schema) -> c_int {
    // SAFETY: Arrow gives a stream that was made by `Stream::of` and has not been released, and memory for a schema,
    // whose former contents do not count.
    unsafe {
        let table = &(*(*stream).private_data.cast::<Source>()).table;
        out.write(Schema::of_table(table));
    }
    0
}

unsafe extern "C" fn get_next(stream: *mut Stream, out: *mut Array) -> c_int {
    // SAFETY: as in `get_schema`. An array without `release` says that the stream has ended.
    unsafe {
        let source = &mut *(*stream).private_data.cast::<Source>();
        let array =
            if std::mem::replace(&mut source.taken, true) { Array::none() } else { Array::of_table(&source.table) };
        out.write(array);
    }
    0
}

impl Schema {
    /// A struct with a field for each column.
    fn of_table(table: &Arc<Columns>) -> Self {
        let children = table.columns.iter().map(|column| {
            let child = Self::new(table, column.format().as_ptr(), column.c_name().as_ptr(), Vec::new());
            Box::into_raw(Box::new(child))
        });
        Self::new(table, c"+s".as_ptr(), c"".as_ptr(), children.collect())
    }

    fn new(table: &Arc<Columns>, format: *const c_char, name: *const c_char, children: Vec<*mut Self>) -> Self {
        let mut held = Box::new(Held { _table: Arc::clone(table), buffers: Vec::new(), children });
        Self {
            format,
            name,
            metadata: null(),
            flags: if held.children.is_empty() { NULLABLE } else { 0 },
            n_children: count(held.children.len()),
            children: held.children.as_mut_ptr(),
            dictionary: null_mut(),
            release: Some(release_schema),
            private_data: Box::into_raw(held).cast(),
        }
    }
}

unsafe extern "C" fn release_schema(schema: *mut Schema) {
    // SAFETY: Arrow gives a schema that was made by `Schema::new` and has not been released; its children are boxes of
    // such schemas, those that a consumer moved out among them, which have no `release` any more.
    unsafe {
        let held = Box::from_raw((*schema).private_data.cast::<Held<Schema>>());
        for child in &held.children {
            if let Some(release) = (**child).release {
                release(*child);
            }
            drop(Box::from_raw(*child));
        }
        (*schema).private_data = null_mut();
        (*schema).release = None;
    }
}

impl Array {
    /// Says that there is no more.
    fn none() -> Self {
        Self {
            length: 0,
            null_count: 0,
            offset: 0,
            n_buffers: 0,
            n_children: 0,
            buffers: null_mut(),
            children: null_mut(),
            dictionary: null_mut(),
            release: None,
            private_data: null_mut(),
        }
    }

    /// A struct of all columns.
    fn of_table(table: &Arc<Columns>) -> Self {
        let children = table.columns.iter().map(|column| Box::into_raw(Box::new(Self::of_column(table, column))));
        Self::new(table, table.length, 0, vec![null()], children.collect())
    }

    fn of_column(table: &Arc<Columns>, column: &Column) -> Self {
        let buffers = column.buffers().into_iter().map(<*const u8>::cast).collect();
        Self::new(table, column.len(), column.nulls(), buffers, Vec::new())
    }

    fn new(
        table: &Arc<Columns>,
        length: usize,
        nulls: usize,
        buffers: Vec<*const c_void>,
        children: Vec<*mut Self>,
    ) -> Self {
        let mut held = Box::new(Held { _table: Arc::clone(table), buffers, children });
        Self {
            length: count(length),
            null_count: count(nulls),
            offset: 0,
            n_buffers: count(held.buffers.len()),
            n_children: count(held.children.len()),
            buffers: held.buffers.as_mut_ptr(),
            children: held.children.as_mut_ptr(),
            dictionary: null_mut(),
            release: Some(release_array),
            private_data: Box::into_raw(held).cast(),
        }
    }
}

unsafe extern "C" fn release_array(array: *mut Array) {
    // SAFETY: as in `release_schema`, for arrays made by `Array::new`.
    unsafe {
        let held = Box::from_raw((*array).private_data.cast::<Held<Array>>());
        for child in &held.children {
            if let Some(release) = (**child).release {
                release(*child);
            }
            drop(Box::from_raw(*child));
        }
        (*array).private_data = null_mut();
        (*array).release = None;
    }
}
