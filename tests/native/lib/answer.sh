# Sourced by the scripts beside this directory; reads the request and answers it.
#
#   read_request            the request into $request
#   field NAME              the field as the JSON string it is in the request
#   answer VERDICT [REASON] a decision about $request, as the reference gives it
#                           for an action on a harmless file when VERDICT is `allow`

read_request() {
    request=$(cat)
}

field() {
    printf '%s\n' "$request" | sed -n 's/.*"'"$1"'":\("\([^"\\]\|\\.\)*"\).*/\1/p'
}

answer() {
    case $(field action_type) in
        '"write_file"') operation=write ;;
        *) operation=read ;;
    esac
    printf '{"decision":"%s","rule_id":"filesystem.%s.allow","severity":"low","reason":"%s",' \
        "$1" "$operation" "${2-a script answered}"
    printf '"action_type":%s,"target":%s,"requested_operation":"%s","policy_pack":%s}\n' \
        "$(field action_type)" "$(field target)" "$operation" "$(field policy_pack)"
}
