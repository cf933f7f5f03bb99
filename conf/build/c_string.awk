# For the two embed scripts: a line of text as the inside of a C string literal, and how to stop the build.

# \? because -std=c11 knows trigraphs
function c_string(text) {
    gsub(/\\/, "&&", text)
    gsub(/["?]/, "\\\\&", text)
    return text
}

function fail(where, why) {
    printf "%s: %s\n", where, why > "/dev/stderr"
    failed = 1
    exit 1
}
