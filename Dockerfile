FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# The repository is not in here: docker build --build-arg VERSION="$(git describe --always --dirty=+changed)" says which build it is.
ARG VERSION=""
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-X github.com/crossfadedb/crossfade/internal/build.stamped=${VERSION}" -o /out/ ./cmd/...

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/ /usr/local/bin/
ENTRYPOINT ["/usr/local/bin/crossfade"]
