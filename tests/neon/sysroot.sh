#!/bin/sh
# sysroot.sh FOLDER PACKAGE...: Debian's arm64 packages and all they depend on, unpacked under FOLDER/root for a cross compiler and an
# emulator. An apt of its own, with lists and archives under FOLDER, fetches them: nothing is installed here, and no rights are needed.
set -eu
into=$1
shift
[ "$(cat "$into/holds" 2>/dev/null)" = "$*" ] && exit
command -v apt-get >/dev/null || { echo "this needs Debian's apt-get, to fetch arm64 packages: $*" >&2; exit 1; }

rm -rf "$into"
mkdir -p "$into/root" "$into/state/lists/partial" "$into/cache/archives/partial"
into=$(cd "$into" && pwd)
: > "$into/status"
arm64()
{
    apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User= -o Debug::NoLocking=yes \
        -o Dir::State="$into/state" -o Dir::State::status="$into/status" -o Dir::Cache="$into/cache" "$@"
}
echo "fetching for arm64: $*"
arm64 update
arm64 install --download-only --yes --no-install-recommends "$@" >/dev/null
for package in "$into"/cache/archives/*.deb; do dpkg-deb --extract "$package" "$into/root"; done
rm -rf "$into/state" "$into/cache" "$into/status"
echo "$*" > "$into/holds"
