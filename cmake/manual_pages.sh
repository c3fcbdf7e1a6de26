#!/bin/sh
# Writes manual pages of what programs print at --help: lait-data(1), and lait-data-wordnet(1) for
# its command wordnet.
#
#   manual_pages.sh VERSION MAN_FOLDER BIN_FOLDER PROGRAM...
set -eu
version=$1 man=$2 bin=$3
shift 3
umask 022
mkdir -p "$man"

# page PROGRAM [COMMAND]: headings stand in column 1, all else is indented by two. A page is 71
# columns wide, so that it fits a terminal of 80 beside man's own indentation.
page() {
  name=$(echo "$*" | tr ' ' '-')
  executable=$bin/$1
  shift
  COLUMNS=73 "$executable" "$@" --help | awk -v name="$name" -v version="$version" '
    BEGIN { printf ".TH %s 1 \"\" \"lait %s\"\n", toupper(name), version }
    { gsub(/\\/, "\\e"); gsub(/-/, "\\-"); sub(/^  /, "\\\\\\&") }
    /^[A-Z]/ { if (filled == "no") print ".fi"; filled = ""; print ".SH " $0; title = $0; next }
    title == "NAME" { sub(/^\\&/, ""); sub(/^[^ ]+( [a-z\\-]+)? \\- /, name " \\- "); print; next }
    filled == "" { print ".nf"; filled = "no" }
    { print }' >"$man/$name.1.new"
  mv "$man/$name.1.new" "$man/$name.1"
}

for program in "$@"; do
  page "$program"
  for command in $("$bin/$program" --help | awk '
      /^[A-Z]/ { inside = $0 == "COMMANDS" } inside && /^  [a-z]/ { print $1 }'); do
    page "$program" "$command"
  done
done
