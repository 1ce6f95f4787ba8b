#!/bin/sh
# Arrows point down only: what each folder may include of ours, and who may include whose headers. Run from the root of the sources;
# prints every include that points the wrong way and fails. A line: folder (the longest that fits a file wins), then prefixes.
set -eu

rules='
lib/core        posenet.h core/ kernels/kernels.h
lib/io          posenet.h posenet/ core/ io/
lib/kernels     posenet.h core/threads.h kernels/
lib/graph       posenet.h posenet/ core/ kernels/ graph/ ops/op.h
lib/ops         posenet.h posenet/ core/ kernels/ graph/ ops/
lib/nn          posenet.h posenet/ core/ graph/params.h nn/
lib/features    posenet.h posenet/ features/
lib/data        posenet.h posenet/ core/ io/ data/
lib/metrics     posenet.h posenet/ core/ io/ data/ features/ metrics/
lib/train       posenet.h posenet/ core/ io/ graph/params.h train/
lib/posenet     posenet.h posenet/
lib             posenet/
models          posenet.h posenet/ model.h face.h ../face.h
examples        posenet.h posenet/ cli.h pictures.h figures.h video.h
'
# Headers of the system and of other libraries, and the only folders that know them.
foreign='
png.h lib/io
jpeglib.h lib/io
zip.h lib/io
hdf5.h lib/io
cjson/ lib/io
pthread.h lib/core
ini.h lib/io lib/data lib/train models examples
cblas.h lib/nn lib/metrics lib/kernels lib/core
'

files=$(find lib models examples -name '*.[ch]')
# shellcheck disable=SC2086
grep -HE '^[[:space:]]*#[[:space:]]*include' $files | RULES=$rules FOREIGN=$foreign awk '
BEGIN {
    n = split(ENVIRON["RULES"], line, "\n")
    for (i = 1; i <= n; i++) if (split(line[i], w, " ")) { sub(/^[^ ]+ +/, "", line[i]); allowed[w[1]] = line[i] }
    n = split(ENVIRON["FOREIGN"], line, "\n")
    for (i = 1; i <= n; i++) if (split(line[i], w, " ")) { sub(/^[^ ]+ +/, "", line[i]); knows[w[1]] = line[i] }
}
function starts(text, with) { return substr(text, 1, length(with)) == with }
function any(text, prefixes,    k, m, p) {
    m = split(prefixes, p, " ")
    for (k = 1; k <= m; k++) if (starts(text, p[k])) return 1
    return 0
}
{
    file = $0; sub(/:.*/, "", file)
    what = $0; sub(/^[^"<]*["<]/, "", what); sub(/[">].*/, "", what)
    folder = file; sub(/\/[^\/]*$/, "", folder)
    own = folder "/"
    if ($0 ~ /"/) {
        best = ""
        for (f in allowed) if (starts(folder "/", f "/") && length(f) > length(best)) best = f
        if (best == "") next
        if (any(what, allowed[best])) next
        if ((folder ~ /^(models|examples)/) && what !~ /\//) next        # a neighbour in the same folder
        print file ": includes \"" what "\"; " best " may include " allowed[best]; bad = 1
    } else {
        for (h in knows) if (starts(what, h) && !any(folder, knows[h])) {
            print file ": includes <" what ">, which belongs in " knows[h]; bad = 1
        }
    }
}
END { exit bad }
'
echo "the includes point downwards"
