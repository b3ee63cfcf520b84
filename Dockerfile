# The context is what goreleaser makes: the programs in a folder a platform, and build/image, which
# internal/tools/release/prepare.sh makes.
FROM scratch

ARG TARGETPLATFORM

COPY build/image/etc /etc
# Any user id can write to it that is, as with `docker run --user`, in group 0.
COPY --chown=10001:0 --chmod=0770 build/image/var/lib /var/lib
COPY ${TARGETPLATFORM}/otelcol-verifyyou ${TARGETPLATFORM}/verifyyougen /

ENV LISTEN_HOST=0.0.0.0
USER 10001:0
EXPOSE 8787 8790 8888 8889
VOLUME /var/lib/otelcol

# The Collector stops when it cannot serve: while the funnel can be read, it runs.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/verifyyougen", "funnel", "--url=http://127.0.0.1:8790"]

ENTRYPOINT ["/otelcol-verifyyou"]
CMD ["--config=/etc/otelcol-verifyyou/config.yaml"]
