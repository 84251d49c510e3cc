// SPDX-License-Identifier: GPL-2.0-only

//! Compiles the C parts of the tests: the header in each language it is for, and programs. Has one of them write the
//! seccomp filters.

use std::env;
use std::path::Path;
use std::process::Command;

/// The first of these that is there compiles; clang needs no packages of its own for C++ and 32 bits.
const COMPILERS: [&str; 4] = ["clang-19", "clang", "gcc", "cc"];

/// The seccomp filters of tests/src/held/filter.rs.
const FILTERS: [&str; 4] = [
    "only-enter-and-leave",
    "not-commit-exactly",
    "not-commit-masked",
    "not-leave-masked",
];

const HEADER: &str = "../src/uapi/unshare.h";

fn main() {
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    for file in [
        HEADER,
        "src/header.c",
        "src/abi32.c",
        "src/names.c",
        "src/filters.c",
        "build.rs",
    ] {
        println!("cargo::rerun-if-changed={file}");
    }

    for language in [
        "-xc -std=c99",
        "-xc -std=c11",
        "-xc -std=c99 -m32 -ffreestanding",
        "-xc++ -std=c++11",
    ] {
        let flags = format!("{language} -pedantic -Werror -fsyntax-only");
        compile(flags.split(' ').chain(["src/header.c"]));
    }

    let abi32 = Path::new(&out).join("abi32");
    let arch = env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets CARGO_CFG_TARGET_ARCH");
    let machine = match &*arch {
        "aarch64" => "--target=arm-linux-gnueabihf -march=armv7-a -marm -fuse-ld=lld",
        _ => "-m32",
    };
    let flags = "-O1 -nostdlib -static -fno-pic -ffreestanding -fno-stack-protector \
                 -Wl,--build-id=none -Wall -Wextra -Werror";
    let flags = machine.split(' ').chain(flags.split_whitespace());
    let path = abi32.to_str().expect("OUT_DIR is UTF-8");
    compile(flags.chain(["src/abi32.c", "-o", path]));

    // It runs on the machine that builds the tests, and so not after a cross-build.
    if arch == std::env::consts::ARCH {
        let program = Path::new(&out).join("names");
        let path = program.to_str().expect("OUT_DIR is UTF-8");
        let flags = "-O1 -static -Wall -Wextra -Werror src/names.c -o";
        compile(flags.split(' ').chain([path]));
    }

    let program = Path::new(&out).join("filters");
    let path = program.to_str().expect("OUT_DIR is UTF-8");
    let flags = "-O1 -Wall -Wextra -Werror src/filters.c -l:libseccomp.so.2 -o";
    compile(flags.split(' ').chain([path]));
    for name in FILTERS {
        let filter = Command::new(path).args([name, &arch]).output();
        let filter = filter.expect("the program was compiled a moment ago");
        assert!(filter.status.success(), "filters {name} {arch}: {filter:?}");
        std::fs::write(Path::new(&out).join(format!("{name}.bpf")), filter.stdout)
            .expect("OUT_DIR is writable");
    }

    let elf = std::fs::read(&abi32).expect("the compiler has just written it");
    assert_eq!(
        &elf[..5],
        b"\x7fELF\x01",
        "{} is no 32-bit program",
        abi32.display()
    );
}

fn compile<'a>(arguments: impl Iterator<Item = &'a str>) {
    let found = COMPILERS.into_iter().find(|name| {
        let version = Command::new(name).arg("--version").output();
        version.is_ok_and(|output| output.status.success())
    });
    let compiler = found.expect("no C compiler is installed");
    let mut command = Command::new(compiler);
    // A 64-bit machine has the headers of 32-bit programs there: asm/ differs by #ifdef only.
    command
        .args(arguments)
        .args(["-I../src/uapi", "-I/usr/include/x86_64-linux-gnu"]);
    let status = command
        .status()
        .expect("the compiler was there a moment ago");
    assert!(status.success(), "{command:?}");
}
