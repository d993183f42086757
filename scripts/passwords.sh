# shellcheck shell=bash
# Whether a password of the tests was printed: each of them has this in it.
MARK=s3cret

# As it is; with every byte escaped, as in a URL; and what base64 makes of it at each of the three places that it can have behind other bytes.
password_patterns() {
    local before text first
    echo "$MARK"
    printf %s "$MARK" | od -An -v -tx1 | tr -d '\n' | tr ' ' %
    echo
    for before in 0 1 2; do
        text=$(printf "%${before}s%s" '' "$MARK" | base64)
        # A character has six bits: only those that are of the mark alone.
        first=$(((8 * before + 5) / 6))
        echo "${text:first:8 * (before + ${#MARK}) / 6 - first}"
    done
}

# Looks through all files of a folder. Says where a password is: the file, the number of the line, and the line with *** in place of the word.
find_passwords() {
    local patterns pattern masks=()
    patterns=$(password_patterns)
    for pattern in $patterns; do
        masks+=(-e "s,[^[:space:]]*${pattern}[^[:space:]]*,***,g")
    done
    grep -rnaF "$patterns" "$1" | sed -E 's/^([^:]*:[0-9]+:)/\1 /' | sed "${masks[@]}" | cut -c1-300 | grep .
}
