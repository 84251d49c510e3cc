#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A Debian mirror on 127.0.0.1 that lacks some packages, as the archive does after it has removed them.

mirror.py KEYS PORT PATTERN: serves package lists without the packages whose names begin with PATTERN. Signs the lists
with a new key, which it writes to the folder KEYS. Redirects requests for packages to Debian's own mirror.
"""

import hashlib
import http.server
import lzma
import re
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

UPSTREAM = "http://deb.debian.org/debian"
SUITES = ("trixie", "trixie-backports", "forky", "sid")


def gpg(home, *arguments, **options):
    """Runs gpg with the keys in a folder, and returns its output."""
    command = ["gpg", "--homedir", home, "--batch", "--quiet", "--passphrase", "", "--pinentry-mode", "loopback"]
    return subprocess.run([*command, *arguments], check=True, stdout=subprocess.PIPE, **options).stdout


def lists(home, pattern):
    """Returns the files of each suite by their paths."""
    files = {}
    for suite in SUITES:
        folder = f"/debian/dists/{suite}"
        name = "main/binary-amd64/Packages"
        with urllib.request.urlopen(f"{UPSTREAM}/dists/{suite}/{name}.xz") as answer:
            packages = lzma.decompress(answer.read()).decode()
        kept = (entry for entry in packages.split("\n\n") if not re.match(f"Package: ({pattern})", entry))
        plain = "\n\n".join(kept).encode()
        packages = lzma.compress(plain, preset=0)
        # apt asks for no list of which this does not name the plain form, too.
        sums = "".join(
            f" {hashlib.sha256(data).hexdigest()} {len(data)} {path}\n" for path, data in ((name, plain), (f"{name}.xz", packages))
        )
        release = (
            f"Origin: Debian\nLabel: Debian\nSuite: {suite}\nCodename: {suite}\nArchitectures: amd64\nComponents: main\n"
            f"Date: Sat, 28 Nov 2026 00:00:00 UTC\nSHA256:\n{sums}"
        )
        files[f"{folder}/{name}.xz"] = packages
        files[f"{folder}/InRelease"] = gpg(home, "--clearsign", input=release.encode())
    return files


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves a list, or redirects to the file."""

    files = {}

    def do_GET(self):  # The name is the base class's.
        """Serves one file."""
        if self.path in self.files:
            self.send_response(200)
            self.send_header("Content-Length", str(len(self.files[self.path])))
            self.end_headers()
            self.wfile.write(self.files[self.path])
        elif "/pool/" in self.path:
            self.send_response(302)
            self.send_header("Location", UPSTREAM + self.path.removeprefix("/debian"))
            self.end_headers()
        else:
            self.send_error(404)


def main():
    """Serves until it is killed."""
    keys, port, pattern = sys.argv[1:]
    with tempfile.TemporaryDirectory() as home:
        gpg(home, "--quick-generate-key", "a mirror for tests", "default", "default", "1d")
        Path(keys, "mirror.asc").write_bytes(gpg(home, "--armor", "--export"))
        Handler.files = lists(home, pattern)
        with http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Handler) as server:
            print("serving", flush=True)
            server.serve_forever()


if __name__ == "__main__":
    main()
