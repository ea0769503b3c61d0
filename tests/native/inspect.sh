#!/bin/sh
# Answers as it should, and gives as the reason what it was started with: its
# variables, descriptors, directory, process group, limits and arguments, one
# `name=value` each, with `;` between them. Fallback: none.
. "${0%/*}/lib/answer.sh"
variables=$(tr '\0' ' ' </proc/self/environ)
descriptors=$(ls /proc/self/fd | tr '\n' ' ')
limit() {
    sed -n "s/^$1  *\([^ ]*\)  *\([^ ]*\) .*/\1:\2/p" /proc/$$/limits
}
read_request
reason="variables=$variables;descriptors=$descriptors;directory=$(pwd -P)"
reason="$reason;pid=$$;group=$(cut -d' ' -f5 /proc/$$/stat);terminal=$(cut -d' ' -f7 /proc/$$/stat)"
reason="$reason;cpu=$(limit 'Max cpu time');memory=$(limit 'Max address space')"
reason="$reason;file=$(limit 'Max file size');files=$(limit 'Max open files')"
reason="$reason;processes=$(limit 'Max processes');core=$(limit 'Max core file size')"
reason="$reason;new_privileges=$(sed -n 's/^NoNewPrivs:[^01]*//p' /proc/$$/status)"
reason="$reason;arguments=$*;policy=$(ls -l "$2" | cut -c1-10);registry=$(ls -l "$4" | cut -c1-10)"
answer allow "$reason"
