# Turns the SQL statements of one directory into C.
#
#   awk -v dir=fcgi -v form=h|c -f c_string.awk -f embed_sql.awk fcgi/sql/*.sql
#
# Each file is one statement below a header comment whose first line of the form `-- name: snake_name` names it.
# form=h writes the enum of names, form=c the array of texts. Comments are taken out of the text, line ends stay,
# the closing semicolon goes. A file that breaks a rule (no name, the name of another file, no statement or two of
# them, a gap in $1..$n) stops the build with its name.

# The line without its comment. `quote` is the quote mark that an earlier line left open, or "".
function code_of(line,    i, c, out) {
    out = ""
    for (i = 1; i <= length(line); i++) {
        c = substr(line, i, 1)
        if (quote != "") {
            if (c == quote)
                quote = ""
        } else if (c == "'" || c == "\"") {
            quote = c
        } else if (c == "-" && substr(line, i + 1, 1) == "-") {
            break
        } else if (c == "$" && substr(line, i + 1) ~ /^[0-9]/) {
            note_param(substr(line, i + 1))
        } else if (c == ";") {
            ended = 1
            continue
        }
        if (ended && c !~ /[ \t]/)
            fail(file, "more than one statement")
        out = out c
    }
    sub(/[ \t\r]+$/, "", out)
    return out
}

function note_param(rest,    n) {
    match(rest, /^[0-9]+/)
    n = substr(rest, 1, RLENGTH) + 0
    used[n] = 1
    if (n > nparams)
        nparams = n
}

function finish_file(    i, base) {
    if (file == "")
        return
    base = file
    sub(/.*\//, "", base)
    sub(/\.sql$/, "", base)
    if (name == "")
        fail(file, "no line '-- name: ...'")
    if (name != base)
        fail(file, "is named '" name "'")
    if (body == "")
        fail(file, "no statement")
    if (quote != "")
        fail(file, "a quote is left open")
    for (i = 1; i <= nparams; i++)
        if (!(i in used))
            fail(file, "$" i " is not used, $" nparams " is")
    count++
    names[count] = name
    texts[count] = body
    params[count] = nparams
}

function start_file() {
    finish_file()
    file = FILENAME
    name = body = quote = ""
    nparams = ended = 0
    split("", used)
}

FNR == 1 { start_file() }

/^-- name:/ && name == "" {
    name = $3
    if (name !~ /^[a-z][a-z0-9_]*$/)
        fail(file, "'" name "' is no snake_name")
}

{
    line = code_of($0)
    if (line != "" || (body != "" && !ended))
        body = body sprintf("\n        \"%s\\n\"", c_string(line))
}

END {
    if (failed)
        exit 1
    finish_file()
    upper = toupper(dir)
    print "/* Made from " dir "/sql/ by conf/build/embed_sql.awk. Do not edit. */"
    if (form == "h") {
        print "#ifndef DLO_GEN_" upper "_SQL_H\n#define DLO_GEN_" upper "_SQL_H\n"
        print "#include \"common/sql.h\"\n"
        print "enum " dir "_sql {"
        for (i = 1; i <= count; i++)
            printf "    %s_SQL_%s,\n", upper, toupper(names[i])
        print "    " upper "_SQL_COUNT\n};\n"
        print "extern const struct sql_statement " dir "_sql[" upper "_SQL_COUNT];\n"
        print "#endif"
        exit
    }
    print "#include \"" dir "_sql.h\"\n"
    print "const struct sql_statement " dir "_sql[" upper "_SQL_COUNT] = {"
    for (i = 1; i <= count; i++)
        printf "    [%s_SQL_%s] = {\"%s\",%s,\n        %d},\n", upper, toupper(names[i]), names[i], \
            texts[i], params[i]
    print "};"
}
