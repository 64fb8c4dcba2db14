#!/bin/sh
# An account with its own copy of the chapters for every name of a list, one a line:
#   sudo sh book/teaching/hub/learners.sh names.txt > passwords.txt
# A second argument names another folder to copy, for instance _build/class/handouts.
set -eu
umask 077
chapters=${2:-$(dirname "$0")/../../../notebooks}
homes=${HOMES:-/home}

getent group downhill > /dev/null || groupadd --system downhill
while read -r name; do
  # Nobody else can look into this home, and its owner cannot log in to the machine itself.
  useradd --groups downhill --shell /usr/sbin/nologin --base-dir "$homes" \
    --create-home --key HOME_MODE=0700 "$name"
  cp -r "$chapters" "$homes/$name/downhill"
  chown -R "$name:" "$homes/$name/downhill"
  password=$(head -c 6 /dev/urandom | base64 | tr +/ xy)
  echo "$name:$password" | chpasswd
  printf '%s\t%s\n' "$name" "$password"
done < "$1"
