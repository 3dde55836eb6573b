# syntax=docker/dockerfile:1

FROM rust:1.95-slim-bookworm AS build
WORKDIR /build

# Build the dependencies first, with an empty crate in place of ours. Docker keeps this layer until the
# dependencies change. .cargo/config.toml sets how SQLite is built, so this layer needs it.
COPY .cargo .cargo
COPY Cargo.toml Cargo.lock ./
RUN mkdir src \
    && echo 'fn main() {}' > src/main.rs \
    && touch src/lib.rs \
    && cargo build --release --locked \
    && rm -r src

COPY build.rs ./
COPY src src
# The commit for `hookpost --version`: the build sees no .git.
ARG HOOKPOST_COMMIT=
# COPY keeps the files' old times. cargo must see that these files are newer than the empty crate.
RUN find src -name '*.rs' -exec touch {} + \
    && cargo build --release --locked \
    && target/release/hookpost --version \
    && mkdir /data

# An image with glibc and nothing else: no shell, no package manager. The trusted certificates are in the binary.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /build/target/release/hookpost /usr/local/bin/hookpost
# A new volume gets the owner of this folder. 65532 is the image's user "nonroot".
COPY --from=build --chown=65532:65532 /data /data

ENV HOOKPOST_LISTEN=0.0.0.0:8080 \
    HOOKPOST_DATABASE=/data/hookpost.db
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=6s --start-period=10s --retries=3 \
    CMD ["/usr/local/bin/hookpost", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/hookpost"]
CMD ["serve"]
