#!/bin/sh
# An issuer of delegations in as few lines as possible, to show what a token is made of. Whoever calls it decides for whom and for what a
# token is; a real issuer asks somebody first, and keeps its key where nobody can copy it.
#
# usage: issue.sh key KEY              makes a key, prints its public half as the JWK Set that `delegation-keys` names
#        issue.sh token KEY < CLAIMS   prints a token with these claims, a JSON object as docs/identity.md lists them
#
# needs: openssl (3.0 or newer), basenc (coreutils)
set -eu

kid=example

encoded() { basenc --base64url -w 0 | tr -d '='; }

case "${1:-} $#" in
    "key 2")
        (umask 077 && openssl genpkey -algorithm ed25519 -out "$2")
        # RFC 8410: the last 32 bytes of the structure are the key.
        x=$(openssl pkey -in "$2" -pubout -outform DER | tail -c 32 | encoded)
        printf '{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"%s","x":"%s"}]}\n' "$kid" "$x"
        ;;
    "token 2")
        header=$(printf '{"alg":"EdDSA","typ":"rex-delegation+jwt","kid":"%s"}' "$kid" | encoded)
        payload=$(encoded)
        # RFC 8032 signs the text at once, so that openssl wants it as a file.
        signed=$(mktemp)
        trap 'rm -f "$signed"' EXIT
        printf '%s.%s' "$header" "$payload" > "$signed"
        printf '%s.%s.%s\n' "$header" "$payload" "$(openssl pkeyutl -sign -inkey "$2" -rawin -in "$signed" | encoded)"
        ;;
    *)
        echo "usage: issue.sh key KEY, or issue.sh token KEY < CLAIMS" >&2
        exit 64
        ;;
esac
