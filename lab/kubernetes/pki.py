"""Who is who in the cluster: an authority of its own, a certificate for each part, and what a kubeconfig says of it."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path

from lab.commands import run

__all__ = ["Authority"]

_DAYS = "365"
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc")
# Only what is asked for here goes into a certificate, whatever the machine's own openssl.cnf has.
_PLAIN = "[req]\ndistinguished_name = name\n[name]\n"


@dataclass(frozen=True)
class Authority:
    """Signs for one cluster; keys and certificates are files in `directory`."""

    directory: Path
    lock: int

    def create(self) -> None:
        """Make the authority's own key and certificate, and the key that service accounts' tokens are signed with."""
        self.directory.mkdir(mode=0o700)
        self.directory.joinpath("openssl.cnf").write_text(_PLAIN)
        self._request("ca", "/CN=chaosctl-lab", "-addext", "basicConstraints=critical,CA:TRUE")
        # The API server takes the public half of it only from this older form of a private key.
        account_key = [
            "ecparam",
            "-name",
            "prime256v1",
            "-genkey",
            "-noout",
            "-out",
            str(self.directory / "accounts.key"),
        ]
        run(["openssl", *account_key], self.lock)

    def sign(self, name: str, user: str, group: str = "", *addresses: str) -> None:
        """Make a key and a certificate for a user of a group, and for a server at these addresses and names."""
        kinds = {True: "IP", False: "DNS"}
        names = ",".join(f"{kinds[address[:1].isdigit()]}:{address}" for address in addresses)
        signed = ["-CA", str(self.directory / "ca.crt"), "-CAkey", str(self.directory / "ca.key")]
        signed += ["-addext", "basicConstraints=critical,CA:FALSE"]
        signed += ["-addext", f"subjectAltName={names}"] if names else []
        self._request(name, f"{f'/O={group}' if group else ''}/CN={user}", *signed)

    def kubeconfig(self, name: str, server: str, context: str) -> str:
        """Return what somebody with that certificate needs to reach the API server, as JSON, which is YAML too."""
        user = {"client-certificate-data": self._data(f"{name}.crt"), "client-key-data": self._data(f"{name}.key")}
        cluster = {"server": server, "certificate-authority-data": self._data("ca.crt")}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": context, "cluster": cluster}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": context, "context": {"cluster": context, "user": name}}],
            "current-context": context,
        }
        return json.dumps(document, indent=2)

    def _request(self, name: str, subject: str, *more: str) -> None:
        key, certificate = self.directory / f"{name}.key", self.directory / f"{name}.crt"
        made = ("-keyout", str(key), "-out", str(certificate), "-subj", subject, "-days", _DAYS)
        plain = ("-config", str(self.directory / "openssl.cnf"))
        run(["openssl", "req", "-x509", *plain, *_KEY, *made, *more], self.lock)

    def _data(self, file: str) -> str:
        return base64.b64encode((self.directory / file).read_bytes()).decode()
