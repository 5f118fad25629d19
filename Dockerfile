# syntax=docker/dockerfile:1
# One image with the worker and the command line.

FROM rust:1.95-slim-trixie AS build
WORKDIR /leadflow
COPY . .
# The caches are no part of the image, so the programs are copied out of them in the same step.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/leadflow/target \
    cargo build --profile dist --locked --package leadflow-worker --package leadflow-starter --bin worker --bin starter && \
    install -D --target-directory=/programs target/dist/worker target/dist/starter

# The same release of Debian as above: a program needs at least the C library it was built with.
FROM debian:trixie-slim
RUN apt-get update && \
    apt-get install --yes --no-install-recommends ca-certificates && \
    rm -rf /var/lib/apt/lists/*
COPY --from=build /programs/ /usr/local/bin/
USER 10001:10001
WORKDIR /tmp
CMD ["worker"]
