# A Swift of one node, from Debian's packages, to try the cluster with. It keeps
# its objects in /srv/swift. Sites run their own Swift.
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends python3-swift memcached curl && rm -rf /var/lib/apt/lists/*
COPY loadtest/servers/launch_swift.py /usr/lib/thumbmill/launch_swift.py
RUN mkdir -p /srv/swift && chown -R nobody /srv/swift
USER nobody
ENV MEMCACHED=127.0.0.1:11211 BIND=0.0.0.0
EXPOSE 8080
ENTRYPOINT ["/bin/sh", "-c", "memcached -l 127.0.0.1 -U 0 & exec /usr/bin/python3 /usr/lib/thumbmill/launch_swift.py /srv/swift 8080"]
