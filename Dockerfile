# The image: weirpool, the libraries that it needs, certificates, and nothing else. doc/containers.md tells how to use it.
#   docker build -t weirpool .
FROM debian:12-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends \
	autoconf automake pkg-config make gcc libc6-dev libevent-dev libssl-dev libc-ares-dev libidn-dev libldap-dev \
	libpq-dev libpcre2-dev zlib1g-dev libzstd-dev libseccomp-dev ca-certificates
COPY . /src
# PAM would need modules, and files of the machine: not in an image
RUN cd /src && ./autogen.sh && mkdir /build && cd /build && \
	/src/configure --prefix=/usr --sysconfdir=/etc --libexecdir=/usr/libexec --without-pam --with-systemdsystemunitdir=no && \
	make -j"$(nproc)" weirpool weirpool-auth-helper && \
	/src/scripts/build-rootfs /build /rootfs

FROM scratch
COPY --from=build /rootfs /
COPY --from=build --chown=65532:65532 /rootfs/run/weirpool /run/weirpool
USER 65532:65532
EXPOSE 6432 6033 9127
STOPSIGNAL SIGTERM
# asks the weirpool that the environment describes: its /readyz if it has an HTTP port, else its listeners
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/usr/bin/weirpool", "check"]
ENTRYPOINT ["/usr/bin/weirpool"]
