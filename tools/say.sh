#!/usr/bin/env bash
# One line of progress on stderr, so that stdout stays the result.
printf '==> %s\n' "$*" >&2
