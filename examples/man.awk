# man.awk - a program's --help as a page for man: one text says what a program takes
#
#   build/bin/posenet-train --help | awk -v version=0.1.0 -f examples/man.awk
#
# First the line "NAME: what it does"; lines that begin with two blanks and the name are the synopsis, such that begin with two blanks
# and -- are options, their text after two blanks or more; "Exit status: …" ends it. All else is the description.

function roff(text) { gsub(/\\/, "\\e", text); gsub(/-/, "\\-", text); return text ~ /^[.']/ ? "\\&" text : text }
function section(name) { if (name != now) print ".SH " name; now = name }

NR == 1 {
    program = $0; sub(/: .*/, "", program)
    page = program; gsub(/ /, "-", page)
    printf ".TH %s 1 \"\" \"libposenet %s\"\n", toupper(page), version
    section("NAME")
    printf "%s \\- %s\n", roff(page), roff(substr($0, length(program) + 3))
    next
}
/Exit status: / {
    at = index($0, "Exit status: ")
    if (at > 1) { section("DESCRIPTION"); print ".PP"; print roff(substr($0, 1, at - 2)) }
    section("EXIT STATUS")
    print roff(substr($0, at + 13))
    next
}
/^  --/ {
    section("OPTIONS")
    line = substr($0, 3)
    gap = match(line, /  +/)
    option = gap ? substr(line, 1, gap - 1) : line
    name = option; sub(/ .*/, "", name)
    print ".TP"
    printf "\\fB%s\\fR%s\n", roff(name), option == name ? "" : " \\fI" roff(substr(option, length(name) + 2)) "\\fR"
    if (gap) print roff(substr(line, gap + RLENGTH))
    next
}
substr($0, 1, length(program) + 2) == "  " program {
    section("SYNOPSIS")
    print ".nf"; print roff(substr($0, 3)); print ".fi"
    next
}
/^$/ { if (now == "DESCRIPTION") print ".PP"; next }
{ section("DESCRIPTION"); print roff($0) }
END { section("SEE ALSO"); print "The README of libposenet leads through training and generation, command by command." }
