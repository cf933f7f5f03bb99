# Turns the migrations into C, so that an installed `dlo` needs no files.
#
#   awk -v form=h|c -f c_string.awk -f embed_migrations.awk migrations/NNNN_name.sql ...
#
# The text is kept byte for byte: the checksum beside it is the file's own SHA-256, which `dlo migrate` compares with
# what it applied. Versions must be 1, 2, 3, ... in the order of the file names.

function sha256_of(path,    command, line) {
    command = "sha256sum -- '" path "'"
    if ((command | getline line) <= 0)
        fail(path, "sha256sum failed")
    close(command)
    return substr(line, 1, 64)
}

function start_file(    base, version) {
    base = FILENAME
    sub(/.*\//, "", base)
    if (base !~ /^[0-9][0-9][0-9][0-9]_[a-z0-9_]+\.sql$/)
        fail(FILENAME, "is not called NNNN_name.sql")
    version = substr(base, 1, 4) + 0
    if (version != ++count)
        fail(FILENAME, "version " count " was expected here")
    names[count] = substr(base, 6, length(base) - 9)
    sums[count] = sha256_of(FILENAME)
}

FNR == 1 { start_file() }

{ texts[count] = texts[count] sprintf("\n     \"%s\\n\"", c_string($0)) }

END {
    if (failed)
        exit 1
    print "/* Made from migrations/ by conf/build/embed_migrations.awk. Do not edit. */"
    if (form == "h") {
        print "#ifndef DLO_MIGRATIONS_H\n#define DLO_MIGRATIONS_H\n"
        print "#include <stddef.h>\n"
        print "struct migration {\n    int version;\n    const char *name;\n    const char *sql;"
        print "    const char *sha256hex; /* of the file */\n};\n"
        print "extern const struct migration migrations[];\nextern const size_t migrations_count;\n"
        print "#endif"
        exit
    }
    print "#include \"migrations.h\"\n\nconst struct migration migrations[] = {"
    for (i = 1; i <= count; i++)
        printf "    {%d, \"%s\",%s,\n     \"%s\"},\n", i, names[i], texts[i], sums[i]
    print "    {0, NULL, NULL, NULL},\n};"
    print "const size_t migrations_count = sizeof migrations / sizeof migrations[0] - 1;"
}
