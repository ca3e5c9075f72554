# syntax=docker/dockerfile:1

# The server and the connectors, as static binaries in an image without a shell.
#
#   docker build -t headwater .
#   docker run --rm -p 127.0.0.1:8080:8080 -v headwater:/data headwater demo --data /data

FROM golang:1.26.8-bookworm AS build
WORKDIR /src
# The toolchain of this image, or none.
ENV GOTOOLCHAIN=local CGO_ENABLED=0

# The modules change less often than the code: a layer of their own.
COPY go.mod go.sum ./
COPY plugins/go.mod plugins/go.sum plugins/
RUN --mount=type=cache,target=/go/pkg/mod go mod download

COPY . .
# Given for a release: docker build --build-arg VERSION=v1.2.3 .
ARG VERSION=
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    make build VERSION="$VERSION" && mkdir -p bin/connectors /out/data && cp -r bin/headwater bin/connectors /out/

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build --chown=root:root /out/headwater /usr/local/bin/headwater
COPY --from=build --chown=root:root /out/connectors /usr/local/lib/headwater/connectors
# A named volume takes its owner from here; 65532 is this image's user "nonroot".
COPY --from=build --chown=65532:65532 /out/data /data
COPY LICENSE /usr/share/doc/headwater/LICENSE

USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM

# serve, demo and health read the address from here; --addr still wins.
ENV HEADWATER_ADDR=0.0.0.0:8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 CMD ["/usr/local/bin/headwater", "health"]

ENTRYPOINT ["/usr/local/bin/headwater"]
CMD ["serve", "--data", "/data"]
