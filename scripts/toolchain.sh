#!/usr/bin/env bash
# Finds or installs what builds wasm32-wasip2 guests, by one of two routes:
#
#   rustup  the target of the Rust toolchain in use (`rustup target add`)
#   debian  rustc-web and rust-web-src (security suite), wasi-libc (backports)
#           and -Zbuild-std, where only Debian's packages can be reached
#
#   toolchain.sh            choose, install what is missing, say which route
#   toolchain.sh --env      the same, and print the route as shell assignments
#
# CAVRA_GUEST_TOOLCHAIN=rustup|debian takes one route and no other.
set -euo pipefail

target=wasm32-wasip2
want=${CAVRA_GUEST_TOOLCHAIN:-any}
say() { printf 'toolchain: %s\n' "$*" >&2; }
fail() { printf 'toolchain: error: %s\n' "$*" >&2; exit 1; }

case $want in
    any | rustup | debian) ;;
    *) fail "CAVRA_GUEST_TOOLCHAIN is \`$want\`; it must be rustup or debian" ;;
esac
command -v cargo >/dev/null || fail "no cargo on PATH; install Rust 1.95 or later with rustup"
sysroot=$(rustc --print sysroot)
tools=$sysroot/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin

rustup_ready() { [ -n "$(find "$sysroot/lib/rustlib/$target/lib" -name 'libstd-*.rlib' 2>/dev/null)" ]; }

debian_missing() {
    [ -x /usr/bin/rustc ] || echo rustc-web
    [ -d /usr/src/rustc-web ] || find /usr/src -maxdepth 1 -name 'rustc-*' 2>/dev/null | grep -q . || echo rust-web-src
    [ -f /usr/lib/$target/libc.a ] || echo wasi-libc
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else fail "needs root for: $*; run it as root, or \`rustup target add $target\`"; fi
}

# The backports suite with the same mirror and key as the suites in use.
enable_backports() {
    local codename sources=/etc/apt/sources.list.d list
    codename=$(. /etc/os-release && printf %s "$VERSION_CODENAME")
    list=$sources/$codename-backports
    if grep -rqsE "(^|[[:space:]])$codename-backports([[:space:]]|\$)" /etc/apt/sources.list "$sources"; then return; fi
    local deb822
    deb822=$(grep -lsE "^Suites:.*\\b$codename\\b" "$sources"/*.sources | head -n 1 || true)
    if [ -n "$deb822" ]; then
        # The first stanza that carries the plain suite, its suites replaced.
        awk -v RS= -v suite="$codename" '$0 ~ ("Suites:[^\n]*" suite "( |\n|$)") { print; exit }' "$deb822" |
            sed -E "s/^Suites:.*/Suites: $codename-backports/" | as_root tee "$list.sources" >/dev/null
    else
        local line
        line=$(grep -hsE "^deb .* $codename main" /etc/apt/sources.list "$sources"/*.list | head -n 1 || true)
        [ -n "$line" ] || fail "no Debian source of suite $codename is configured; install ${*:-wasi-libc} by hand"
        printf '%s\n' "$line" | sed -E "s/ $codename main.*/ $codename-backports main/" | as_root tee "$list.list" >/dev/null
    fi
    say "enabled the suite $codename-backports"
}

install_debian() {
    local missing
    missing=$(debian_missing | tr '\n' ' ')
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null || fail "missing $missing and no apt-get; run \`rustup target add $target\`"
    say "installing $missing"
    case $missing in *wasi-libc*) enable_backports "$missing" ;; esac
    as_root apt-get update -qq >&2
    local name codename
    codename=$(. /etc/os-release && printf %s "$VERSION_CODENAME")
    for name in $missing; do
        local from=()
        [ "$name" = wasi-libc ] && from=(-t "$codename-backports")
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${from[@]}" "$name" >&2 ||
            fail "could not install $name; run \`apt-get install ${from[*]} $name\` to see why"
    done
    missing=$(debian_missing | tr '\n' ' ')
    [ -z "$missing" ] || fail "still missing after the installation: $missing"
}

route=
if [ "$want" != debian ] && rustup_ready; then
    route=rustup
elif [ "$want" != rustup ] && [ -z "$(debian_missing)" ]; then
    route=debian
elif [ "$want" != debian ] && command -v rustup >/dev/null && rustup target add "$target" >/dev/null 2>&1 && rustup_ready; then
    say "added the target $target with rustup"
    route=rustup
elif [ "$want" = rustup ]; then
    fail "\`rustup target add $target\` failed; run it by hand to see why, or set CAVRA_GUEST_TOOLCHAIN=debian"
else
    install_debian
    route=debian
fi
for tool in rust-lld wasm-component-ld; do
    [ -x "$tools/$tool" ] || fail "no $tool in the Rust toolchain; run \`rustup toolchain install 1.95\`"
done

if [ "${1:-}" = --env ]; then
    printf 'GUEST_ROUTE=%s\n' "$route"
    if [ "$route" = debian ]; then
        printf 'export RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1\n'
        printf 'export PATH=%q:%q:$PATH\n' "$tools" "$tools/gcc-ld"
        printf 'GUEST_RUSTFLAGS=%q\n' "-L /usr/lib/$target"
        printf 'GUEST_CARGO_FLAGS=-Zbuild-std=std,panic_abort\n'
    else
        printf 'GUEST_RUSTFLAGS=\nGUEST_CARGO_FLAGS=\n'
    fi
else
    say "guests are built by the $route route"
fi
