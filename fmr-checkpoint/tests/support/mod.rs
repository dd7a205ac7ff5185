//! Writes small checkpoints of every container, byte by byte, so that tests can bend them.

/// A pickle of protocol 2 under construction.
#[derive(Clone)]
pub(crate) struct Pickle(Vec<u8>);

impl Pickle {
    pub(crate) fn new() -> Self {
        Self(b"\x80\x02".to_vec())
    }

    /// Appends opcodes as they are.
    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn str(self, text: &str) -> Self {
        let len = u32::try_from(text.len()).unwrap();
        self.raw(b"X").raw(&len.to_le_bytes()).raw(text.as_bytes())
    }

    pub(crate) fn int(self, n: i32) -> Self {
        self.raw(b"J").raw(&n.to_le_bytes())
    }

    pub(crate) fn ints(self, ns: &[i32]) -> Self {
        let pickle = ns.iter().fold(self.raw(b"("), |pickle, &n| pickle.int(n));
        pickle.raw(b"t")
    }

    /// A tensor over the storage `key`.
    pub(crate) fn tensor(self, key: &str, count: i32, offset: i32, size: &[i32], stride: &[i32]) -> Self {
        let pickle = self
            .raw(b"ctorch._utils\n_rebuild_tensor_v2\n((")
            .str("storage")
            .raw(b"ctorch\nFloatStorage\n")
            .str(key)
            .str("cuda:0")
            .int(count)
            .raw(b"tQ");
        pickle.int(offset).ints(size).ints(stride).raw(b"\x89ccollections\nOrderedDict\n)RtR")
    }

    pub(crate) fn end(mut self) -> Vec<u8> {
        self.0.push(b'.');
        self.0
    }
}

/// A state dict of two tensors that share storage `0`, one of them transposed, and a scalar.
pub(crate) fn state_dict() -> Vec<u8> {
    Pickle::new()
        .raw(b"}(")
        .str("epoch")
        .int(7)
        .str("state_dict")
        .raw(b"ccollections\nOrderedDict\n)R(")
        .str("module.a.weight")
        .tensor("0", 8, 0, &[2, 3], &[1, 2])
        .str("module.a.bias")
        .tensor("0", 8, 6, &[2], &[1])
        .str("module.b.scale")
        .tensor("1", 1, 0, &[], &[])
        .raw(b"uu")
        .end()
}

/// The storages of [`state_dict`].
pub(crate) fn storages() -> Vec<(&'static str, Vec<u8>)> {
    let bytes = |values: &[f32]| values.iter().flat_map(|x| x.to_le_bytes()).collect();
    vec![("0", bytes(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])), ("1", bytes(&[0.5]))]
}

/// A zip archive of stored entries; `method` and `flags` go into every header.
pub(crate) fn zip_of(entries: &[(&str, &[u8])], method: u16, flags: u16) -> Vec<u8> {
    let mut file = Vec::new();
    let mut directory = Vec::new();
    for (name, data) in entries {
        let offset = file.len() as u32;
        let header = |local: bool| {
            let mut header = Vec::new();
            header.extend([0; 2]);
            header.extend(flags.to_le_bytes());
            header.extend(method.to_le_bytes());
            header.extend([0; 8]);
            // PyTorch leaves the local sizes empty and pads the local header only.
            let size = if local { 0 } else { data.len() as u32 };
            header.extend(size.to_le_bytes());
            header.extend(size.to_le_bytes());
            header.extend((name.len() as u16).to_le_bytes());
            header.extend(u16::from(local).wrapping_mul(5).to_le_bytes());
            header
        };
        file.extend(b"PK\x03\x04");
        file.extend(header(true));
        file.extend(name.as_bytes());
        file.extend(b"FB\x01\0Z");
        file.extend(*data);
        directory.extend(b"PK\x01\x02\0\0");
        directory.extend(header(false));
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let offset = file.len() as u32;
    file.extend(&directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend((entries.len() as u16).to_le_bytes());
    file.extend((entries.len() as u16).to_le_bytes());
    file.extend((directory.len() as u32).to_le_bytes());
    file.extend(offset.to_le_bytes());
    file.extend([0; 2]);
    file
}

/// The archive that `torch.save` would write for this pickle.
pub(crate) fn torch_zip(pickle: &[u8]) -> Vec<u8> {
    torch_zip_with(pickle, &[])
}

/// The same with further entries; `constants.pkl` makes it one that `torch.jit.save` would write.
pub(crate) fn torch_zip_with(pickle: &[u8], further: &[(&str, &[u8])]) -> Vec<u8> {
    let storages = storages();
    let names: Vec<String> = storages.iter().map(|(key, _)| format!("archive/data/{key}")).collect();
    let mut entries: Vec<(&str, &[u8])> = vec![("archive/data.pkl", pickle)];
    entries.extend(names.iter().map(String::as_str).zip(storages.iter().map(|(_, b)| b.as_slice())));
    entries.push(("archive/version", b"3\n"));
    entries.extend(further);
    zip_of(&entries, 0, 0x0808)
}

/// The stream that PyTorch wrote before 1.6, with these counts of elements before the storages.
pub(crate) fn legacy_with(pickle: &[u8], counts: [u64; 2]) -> Vec<u8> {
    let mut file = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.".to_vec();
    file.extend(Pickle::new().raw(b"}").str("little_endian").raw(b"\x88s").end());
    file.extend(pickle);
    file.extend(Pickle::new().raw(b"](").str("0").str("1").raw(b"e").end());
    for ((_, bytes), count) in storages().iter().zip(counts) {
        file.extend(count.to_le_bytes());
        file.extend(bytes);
    }
    file
}

pub(crate) fn legacy(pickle: &[u8]) -> Vec<u8> {
    legacy_with(pickle, [8, 1])
}

/// A plain pickle of a StyleGAN-like object, whose storage is an embedded legacy stream.
pub(crate) fn plain_pickle() -> Vec<u8> {
    let storage = Pickle::new().raw(b"(").str("storage").raw(b"ctorch\nFloatStorage\n");
    let storage = storage.str("0").str("cpu").int(8).raw(b"NtQ").end();
    let mut stream = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.".to_vec();
    stream.extend(storage);
    stream.extend(Pickle::new().raw(b"](").str("0").raw(b"e").end());
    stream.extend(8u64.to_le_bytes());
    stream.extend(&storages()[0].1);
    let mut embedded = b"ctorch.storage\n_load_from_bytes\nB".to_vec();
    embedded.extend(u32::try_from(stream.len()).unwrap().to_le_bytes());
    embedded.extend(stream);
    embedded.extend(b"\x85R");
    Pickle::new()
        .raw(b"}")
        .str("G_ema")
        .raw(b"ctorch_utils.persistence\n_reconstruct_persistent_obj\n}(")
        .str("class_name")
        .str("Generator")
        .str("state")
        .raw(b"}(")
        .str("_parameters")
        .raw(b"}")
        .str("weight")
        .raw(b"ctorch._utils\n_rebuild_parameter\n(ctorch._utils\n_rebuild_tensor_v2\n(")
        .raw(&embedded)
        .int(2)
        .ints(&[2, 2])
        .ints(&[2, 1])
        .raw(b"\x89ccollections\nOrderedDict\n)RtR\x88ccollections\nOrderedDict\n)RtRs")
        .str("_buffers")
        .raw(b"}")
        .str("_modules")
        .raw(b"}")
        .str("z_dim")
        .int(64)
        .raw(b"uu\x85Rs")
        .end()
}

/// A safetensors file with this header.
pub(crate) fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.extend(data);
    file
}

/// A sound file of every container.
pub(crate) fn sound() -> Vec<(&'static str, Vec<u8>)> {
    let header = r#"{"a.weight":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"__metadata__":{"format":"pt"},"b":{"dtype":"BF16","shape":[],"data_offsets":[8,10]}}"#;
    vec![
        ("zip", torch_zip(&state_dict())),
        ("script", torch_zip_with(&state_dict(), &[("archive/constants.pkl", b"\x80\x02).")])),
        ("legacy", legacy(&state_dict())),
        ("pickle", plain_pickle()),
        ("safetensors", safetensors(header, &[0, 0, 0x80, 0x3f, 0, 0, 0, 0x40, 0x40, 0x40])),
    ]
}
