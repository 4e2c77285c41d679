"""Downloads and builds what the integration tests run, before the first of them. What is there already is kept."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "crash"))

import builds  # noqa: E402  (it finds mxtest)
from mxtest.debian import redis_servers, served  # noqa: E402


def main():
    old, new = redis_servers()
    print(f"redis-server: Debian serves {', '.join(served('redis-server'))}")
    if old == new:
        print("only one release is served: it runs as both versions")
    for path in (old, new, builds.redis(), builds.redis("hmget"), builds.redis("faults"), builds.lighttpd(),
                 builds.lighttpd("etag")):
        print(path)


if __name__ == "__main__":
    main()
