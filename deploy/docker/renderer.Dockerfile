# The renderer: libvips, its tools and fonts, and the binary, on Debian slim.
FROM golang:1.26-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends libvips-dev libjpeg62-turbo-dev pkg-config && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN go build -trimpath -ldflags=-s -o /renderer ./renderer/cmd/renderer

FROM debian:bookworm-slim
COPY deploy/packages /packages
RUN apt-get update && apt-get install -y --no-install-recommends libvips42 ca-certificates $(cat /packages/tools /packages/fonts) && rm -rf /var/lib/apt/lists/*
COPY --from=build /renderer /usr/bin/renderer
USER 65532:65532
ENTRYPOINT ["/usr/bin/renderer"]
