//! Products of packed operands on AMX matrix tiles.

use std::arch::asm;
use std::arch::x86_64::__cpuid_count;

use super::TILE;

/// Whether processor and system offer tiles of bfloat16; asks the system for their use.
pub(super) fn available() -> bool {
    // Leaf 7: bit 22 of EDX is AMX-BF16, bit 24 AMX-TILE.
    let leaf = __cpuid_count(7, 0);
    let wanted = (1 << 22) | (1 << 24);
    if leaf.edx & wanted != wanted {
        return false;
    }
    // arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA): the kernel grants tiles to a process on demand.
    let result: i64;
    // SAFETY: a system call that changes no memory; the registers it clobbers are declared.
    unsafe {
        asm!("syscall", inlateout("rax") 158_i64 => result, in("rdi") 0x1023_i64, in("rsi") 18_i64,
            out("rcx") _, out("r11") _, options(nostack));
    }
    result == 0
}

#[repr(C, align(64))]
struct Config([u8; 64]);

/// All eight tiles with 16 rows of 64 bytes.
static CONFIG: Config = {
    let mut bytes = [0; 64];
    bytes[0] = 1;
    let mut i = 0;
    while i < 8 {
        bytes[16 + 2 * i] = 64;
        bytes[48 + i] = 16;
        i += 1;
    }
    Config(bytes)
};

/// Tiles taken by this thread, given back when dropped.
pub(super) struct Taken;

impl Taken {
    /// # Safety
    /// [`available`] must have said yes.
    pub(super) unsafe fn new() -> Self {
        // SAFETY: the instruction is there; the configuration is 64 bytes.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const CONFIG, options(nostack, readonly)) };
        Self
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        // SAFETY: frees the tiles that `ldtilecfg` took.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}

/// Six output tiles from two of A and three of B at a time.
///
/// # Safety
/// Tiles are configured; `a` points at two rows of `depth` tiles, `b` at three, `out` at 32 × 48 floats.
pub(super) unsafe fn tall_block(a: *const u16, b: *const u16, depth: usize, out: *mut f32) {
    let row = depth * TILE * 2;
    // SAFETY: all addresses are inside the operands by the contract; tiles are declared as clobbered.
    unsafe {
        asm!(
            "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3", "tilezero tmm4", "tilezero tmm5",
            "2:",
            "tileloadd tmm6, [{a} + {stride}*1]",
            "tileloadd tmm7, [{b} + {stride}*1]",
            "tdpbf16ps tmm0, tmm6, tmm7",
            "tileloadd tmm7, [{b1} + {stride}*1]",
            "tdpbf16ps tmm1, tmm6, tmm7",
            "tileloadd tmm7, [{b2} + {stride}*1]",
            "tdpbf16ps tmm2, tmm6, tmm7",
            "tileloadd tmm6, [{a1} + {stride}*1]",
            "tdpbf16ps tmm5, tmm6, tmm7",
            "tileloadd tmm7, [{b1} + {stride}*1]",
            "tdpbf16ps tmm4, tmm6, tmm7",
            "tileloadd tmm7, [{b} + {stride}*1]",
            "tdpbf16ps tmm3, tmm6, tmm7",
            "add {a}, 1024", "add {a1}, 1024", "add {b}, 1024", "add {b1}, 1024", "add {b2}, 1024",
            "dec {count}",
            "jnz 2b",
            "mov {stride}, 192",
            "tilestored [{out} + {stride}*1], tmm0",
            "tilestored [{out} + {stride}*1 + 64], tmm1",
            "tilestored [{out} + {stride}*1 + 128], tmm2",
            "tilestored [{out} + {stride}*1 + 3072], tmm3",
            "tilestored [{out} + {stride}*1 + 3136], tmm4",
            "tilestored [{out} + {stride}*1 + 3200], tmm5",
            a = inout(reg) a => _,
            a1 = inout(reg) a.byte_add(row) => _,
            b = inout(reg) b => _,
            b1 = inout(reg) b.byte_add(row) => _,
            b2 = inout(reg) b.byte_add(2 * row) => _,
            count = inout(reg) depth => _,
            stride = inout(reg) 64_usize => _,
            out = in(reg) out,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _, out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}

/// Three output tiles from one of A and three of B at a time.
///
/// # Safety
/// As [`tall_block`], with one row of A.
pub(super) unsafe fn flat_block(a: *const u16, b: *const u16, depth: usize, out: *mut f32) {
    let row = depth * TILE * 2;
    // SAFETY: as in `tall_block`.
    unsafe {
        asm!(
            "tilezero tmm0", "tilezero tmm1", "tilezero tmm2",
            "2:",
            "tileloadd tmm3, [{a} + {stride}*1]",
            "tileloadd tmm4, [{b} + {stride}*1]",
            "tileloadd tmm5, [{b1} + {stride}*1]",
            "tileloadd tmm6, [{b2} + {stride}*1]",
            "tdpbf16ps tmm0, tmm3, tmm4",
            "tdpbf16ps tmm1, tmm3, tmm5",
            "tdpbf16ps tmm2, tmm3, tmm6",
            "add {a}, 1024", "add {b}, 1024", "add {b1}, 1024", "add {b2}, 1024",
            "dec {count}",
            "jnz 2b",
            "mov {stride}, 192",
            "tilestored [{out} + {stride}*1], tmm0",
            "tilestored [{out} + {stride}*1 + 64], tmm1",
            "tilestored [{out} + {stride}*1 + 128], tmm2",
            a = inout(reg) a => _,
            b = inout(reg) b => _,
            b1 = inout(reg) b.byte_add(row) => _,
            b2 = inout(reg) b.byte_add(2 * row) => _,
            count = inout(reg) depth => _,
            stride = inout(reg) 64_usize => _,
            out = in(reg) out,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _, out("tmm4") _, out("tmm5") _, out("tmm6") _,
            options(nostack),
        );
    }
}
