#!/bin/sh
# Fetches the libraries of the GraphiQL page from the npm registry and puts their
# built files into vendored/. Run it in this folder after changing a version.
set -eu
graphiql=3.9.0 react=18.3.1 graphql_ws=5.16.2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
here=$(pwd)
cd "$tmp"
npm pack --silent "graphiql@$graphiql" "react@$react" "react-dom@$react" "graphql-ws@$graphql_ws" >/dev/null
take() { # package, file in it
  tar xzf "$1" -O "package/$2" >"$here/vendored/$(basename "$2")"
}
take "graphiql-$graphiql.tgz" graphiql.min.js
take "graphiql-$graphiql.tgz" graphiql.min.css
take "react-$react.tgz" umd/react.production.min.js
take "react-dom-$react.tgz" umd/react-dom.production.min.js
take "graphql-ws-$graphql_ws.tgz" umd/graphql-ws.min.js
for p in "graphiql-$graphiql.tgz LICENSE" "react-$react.tgz LICENSE" "react-dom-$react.tgz LICENSE" "graphql-ws-$graphql_ws.tgz LICENSE.md"; do
  set -- $p
  echo "== $1"
  tar xzf "$1" -O "package/$2"
  echo
done >"$here/vendored/LICENSES.txt"
