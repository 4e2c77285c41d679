"""The scenarios of other files with two releases that Debian serves, in place of one program twice: the old one leads and the new
one follows, and the other way round. Natively the one that leads. (Of a package with one release only, that one twice.)"""

import language_test
import network_test
import web_test
from mxtest import main
from mxtest.debian import two_releases

# What is replaced, what has it, and where it stands there. Libraries and modules are the system's, for both.
PAIRS = {
    web_test.Nginx: ("/usr/sbin/nginx", ("nginx",), "usr/sbin/nginx"),
    web_test.Apache: ("/usr/sbin/apache2", ("apache2-bin",), "usr/sbin/apache2"),
    web_test.Haproxy: ("/usr/sbin/haproxy", ("haproxy",), "usr/sbin/haproxy"),
    network_test.Git: ("/usr/bin/git", ("git",), "usr/bin/git"),
    network_test.Curl: ("/usr/bin/curl", ("curl",), "usr/bin/curl"),
    language_test.Python: ("/usr/bin/python3", ("python3.11-minimal",), "usr/bin/python3.11"),
    language_test.Perl: ("/usr/bin/perl", ("perl-base",), "usr/bin/perl"),
}


def _releases(base, replaced, packages, path, leads):
    class Releases(base):
        more_allowed = {"divergence"}     # they tell their version
        def pairs(self):
            old, new = (str(folder / path) for folder in two_releases(*packages))
            return {replaced: (old, new) if leads == "old" else (new, old)}
    Releases.__name__ = Releases.__qualname__ = f"{base.__name__}{leads.title()}Leads"
    Releases.__doc__ = base.__doc__
    for name in dir(base):      # full lockstep: of one program twice, in the other files
        if name.endswith("_full"):
            setattr(Releases, name, None)
    return Releases


for _base, _pair in PAIRS.items():
    for _leads in ("old", "new"):
        _class = _releases(_base, *_pair, _leads)
        globals()[_class.__name__] = _class

if __name__ == "__main__":
    main()
