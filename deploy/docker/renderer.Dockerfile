# The renderer: libvips and the binary, on Debian slim.
FROM golang:1.26-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends libvips-dev pkg-config && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN go build -trimpath -ldflags=-s -o /renderer ./renderer/cmd/renderer

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends libvips42 ca-certificates && rm -rf /var/lib/apt/lists/*
COPY --from=build /renderer /usr/bin/renderer
USER 65532:65532
ENTRYPOINT ["/usr/bin/renderer"]
