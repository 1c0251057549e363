"""A certificate authority in a folder, made by openssl: ca.pem, and NAME.pem and NAME.key for each site."""

from pathlib import Path

from .processes import run


class Authority:
    def __init__(self, folder, name="ca"):
        self.folder = Path(folder) / name
        self.folder.mkdir(parents=True)
        self.ca, self.ca_key = self.folder / "ca.pem", self.folder / "ca.key"
        run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "7", "-subj", f"/CN={name}", "-keyout", self.ca_key, "-out", self.ca])

    def issue(self, site):
        """{"ca", "cert", "key"}: paths, as texts, for `failover.peer.tls`."""
        cert, key, request = (self.folder / f"{site}.{ending}" for ending in ("pem", "key", "csr"))
        names = self.folder / f"{site}.ext"
        names.write_text(f"subjectAltName=DNS:{site}\n")
        run(["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-subj", f"/CN={site}", "-keyout", key, "-out", request])
        run(["openssl", "x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.ca_key,
             "-CAcreateserial", "-days", "7", "-extfile", names, "-out", cert])
        return {"ca": str(self.ca), "cert": str(cert), "key": str(key)}
