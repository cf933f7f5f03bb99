# Turns docs/openapi.json into C, so that an installed program needs no file to describe itself.
#
#   awk -v form=h|c -f c_string.awk -f embed_openapi.awk docs/openapi.json
#
# The file is indented for people who compare versions; what is served is the same JSON without the indentation and the
# line ends. A string in JSON holds neither.

{
    sub(/^ +/, "")
    text = text sprintf("\n    \"%s\"", c_string($0))
}

END {
    print "/* Made from docs/openapi.json by conf/build/embed_openapi.awk. Do not edit. */"
    if (form == "h") {
        print "#ifndef DLO_OPENAPI_H\n#define DLO_OPENAPI_H\n"
        print "#include <stddef.h>\n"
        print "extern const char openapi_json[];\nextern const size_t openapi_json_len;\n"
        print "#endif"
        exit
    }
    print "#include \"openapi.h\"\n\nconst char openapi_json[] =" text ";"
    print "const size_t openapi_json_len = sizeof openapi_json - 1;"
}
